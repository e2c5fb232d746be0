import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { bundleFunction } from "../../infra/bundle.ts";
import { functionEntries } from "../../infra/function-code.ts";
import { repository } from "../../local/repository.ts";
import { staticBytes } from "../exact/bundle.ts";
import { type Row, toRow } from "../row.ts";

const group = "start";
const turns = 15;
const run = promisify(execFile);

/** What a cold start parses, and what it costs until the function could take its first event, against a function as one writes it. */
export async function start(): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), "sealpost-start-"));
  try {
    const ours = await bundled(functionEntries.messages, join(directory, "ours"));
    const peer = await bundled("bench/peers/plain-function.ts", join(directory, "peer"));
    const least = { ours: Infinity, peer: Infinity };
    for (let turn = 0; turn < turns; turn += 1) {
      least.ours = Math.min(least.ours, await startMilliseconds(ours.module));
      least.peer = Math.min(least.peer, await startMilliseconds(peer.module));
    }
    const peerName = "SDK, zod and a logger";
    return [
      toRow({
        group,
        name: "message function, static bundle",
        unit: "B",
        ours: ours.bytes,
        peer: [peerName, peer.bytes],
        aim: { of: "ours", most: 300_000 },
      }),
      toRow({
        group,
        name: "message function, import and init",
        unit: "ms",
        ours: least.ours,
        peer: [peerName, least.peer],
        aim: { of: "ratio", most: 0.5 },
      }),
    ];
  } finally {
    await rm(directory, { recursive: true, maxRetries: 5 });
  }
}

async function bundled(entry: string, directory: string) {
  const metafile = await bundleFunction(join(repository, entry), directory);
  return { bytes: staticBytes(metafile), module: join(directory, "index.mjs") };
}

const script = `
const before = process.cpuUsage();
await import(process.argv[1]);
const { user, system } = process.cpuUsage(before);
console.log(user + system);`;

/** Names that the function reads at its start; what they say matters with the first event alone. */
const environment = {
  AWS_REGION: "eu-central-1",
  SERVICE_ID: "meters.example.net",
  KEY_GENERATION: "1",
  SIGNING_CUSTODY: "kms",
  DECRYPTION_CUSTODY: "kms",
  CUSTODY_HANDOVER: "false",
  ...Object.fromEntries(
    ["DEVICES_TABLE", "RELEASES_TABLE", "TRUST_TABLE", "JOURNAL_TABLE", "EPOCHS_TABLE"].map((name) => [name, "t"]),
  ),
  ...Object.fromEntries(
    ["MESSAGE_SIGNING_KEY", "MESSAGE_DECRYPTION_KEY", "EPOCH_KEY", "RECEIPT_KEY", "ISSUING_CA_KEY", "SECRETS_KEY"].map(
      (name) => [name, "k"],
    ),
  ),
};

/** Processor time in a process of its own. */
async function startMilliseconds(module: string): Promise<number> {
  const words = ["--input-type=module", "--eval", script, pathToFileURL(module).href];
  const { stdout } = await run(process.execPath, words, { env: environment });
  return Number(stdout) / 1000;
}
