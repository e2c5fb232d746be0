import { join } from "node:path";
import { parseArgs } from "node:util";

import { custodyHelp, readCustody } from "./custody-option.ts";
import { LocalFault } from "./fault.ts";
import { demo } from "./demo/demo.ts";
import { failures, writeEvidence } from "./demo/tell.ts";
import { reportFault } from "./report-fault.ts";
import { repository } from "./repository.ts";

const help = `npm run demo [-- --seed <text> --custody <name> --batch]

The main job from end to end on this machine: deploys the service into an AWS emulator, enrols a device, lets it
bootstrap over its one TLS connection, and then register, update its firmware, renew its keys and de-register by sealed
messages through a relay that records, repeats and damages them. Ends with the evidence, also in .local/demo.json.

  --seed <text>         decides which messages the relay repeats and damages (default: parcel)
  ${custodyHelp}
  --batch               messages go through a relay that stores them and sends them on in batches, beside those of a
                        fleet of 50 devices
  --help                this text

Exit codes: 0 every figure holds, 1 one does not or something failed, 2 wrong options.`;

const directory = join(repository, ".local", "demo");
process.exitCode = await main(process.argv.slice(2));
process.exit();

async function main(words: readonly string[]): Promise<number> {
  let story: Pick<Parameters<typeof demo>[0], "seed" | "custody" | "batch">;
  try {
    const { values } = parseArgs({
      args: [...words],
      options: {
        seed: { type: "string", default: "parcel" },
        custody: { type: "string" },
        batch: { type: "boolean", default: false },
        help: { type: "boolean" },
      },
    });
    if (values.help === true) {
      console.log(help);
      return 0;
    }
    story = { seed: values.seed, custody: readCustody(values.custody), batch: values.batch };
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : "wrong options"}\n\n${help}`);
    return 2;
  }
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => abort.abort(new LocalFault("interrupted", "Ended before the story did.")));
  }
  try {
    const evidence = await demo({ directory, ...story, log: (line) => console.log(line), signal: abort.signal });
    const path = await writeEvidence(evidence);
    const wrong = failures(evidence);
    console.log(evidence.ok ? `\nEvery figure holds: ${path}` : `\nNot as it must be: ${wrong.join(", ")} (${path})`);
    return evidence.ok ? 0 : 1;
  } catch (error) {
    reportFault(error, directory);
    return 1;
  }
}
