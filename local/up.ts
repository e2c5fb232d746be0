import { join, relative } from "node:path";
import { parseArgs } from "node:util";

import { custodyHelp, readCustody } from "./custody-option.ts";
import type { LocalCustody } from "./emulator/synthesis.ts";
import { cleanUp } from "./process/clean-up.ts";
import { LocalFault } from "./fault.ts";
import { tellReason } from "./reasons.ts";
import { reportFault } from "./report-fault.ts";
import { type Claim, claimRun, isRunning, readRunState, runningMessage } from "./process/run-state.ts";
import { repository } from "./repository.ts";
import { type RunningStack, startStack } from "./stack.ts";

const help = `npm run up [-- --tls-port <port> --plain-port <port> --custody <name>]

Runs Sealpost on this machine until Ctrl-C: an AWS emulator, a real \`cdk deploy\` into it, a TLS edge for bootstrap
and operators, a plain-HTTP edge for messages. Needs Python 3.10 or newer; no Docker, no AWS account.

  --tls-port <port>     port of the TLS edge (default: a free one)
  --plain-port <port>   port of the plain-HTTP edge (default: a free one)
  ${custodyHelp}
  --help                this text

Exit codes: 0 ended on request, 1 could not start, was already up, or ended by itself, 2 wrong options.`;

const runDirectory = join(repository, ".local");
const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

type Options = { readonly tlsPort: number; readonly plainPort: number; readonly custody: LocalCustody };

// The emulator ends with this process, and the next `up` or `down` clears what lies about.
process.on("uncaughtException", (error) => {
  reportFault(error, runDirectory);
  process.exit(1);
});
process.exitCode = await main(process.argv.slice(2));
// Idle connections of clients must not hold an ended `up`.
process.exit();

async function main(commandLine: readonly string[]): Promise<number> {
  const options = readOptions(commandLine);
  if (typeof options === "string") {
    console.error(`${options}\n\n${help}`);
    return 2;
  }
  if (options === null) {
    console.log(help);
    return 0;
  }
  try {
    const claim = await claimFolder();
    try {
      return await runUntilEnded(claim, options);
    } finally {
      claim.release();
    }
  } catch (error) {
    reportFault(error, runDirectory);
    return 1;
  }
}

async function claimFolder(): Promise<Claim> {
  const state = readRunState(runDirectory);
  if (state !== null) {
    if (isRunning(state)) throw new LocalFault("already-running", runningMessage(state));
    console.log("cleaning up after a run that was killed");
    await cleanUp(runDirectory, state);
  }
  return claimRun(runDirectory);
}

async function runUntilEnded(claim: Claim, options: Options): Promise<number> {
  const abort = new AbortController();
  const interrupted = new Promise<void>((resolve) => {
    let signals = 0;
    for (const signal of endingSignals) {
      process.on(signal, () => {
        signals += 1;
        if (signals === 1) console.log("\nending …");
        abort.abort(new LocalFault("interrupted", "Ended before it was up."));
        resolve();
      });
    }
  });
  let running: RunningStack;
  try {
    running = await startStack({
      directory: runDirectory,
      log: (line) => console.log(line),
      onFunctionLine: (line) => {
        const told = tellReason(line);
        if (told !== undefined) console.log(told);
      },
      signal: abort.signal,
      started: (pid) => claim.record(pid),
      ...options,
    });
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    console.log("ended before it was up");
    return 0;
  }
  console.log(whatToTry(running));
  const byItself = await Promise.race([interrupted.then(() => false), running.emulator.ended.then(() => true)]);
  if (byItself) console.error(`The emulator ended by itself. Its log: ${running.emulator.logPath}`);
  await running.stop();
  console.log("everything has ended");
  return byItself ? 1 : 0;
}

function whatToTry({ stack }: RunningStack): string {
  const functionLog = relative(process.cwd(), join(runDirectory, "logs", "functions.log"));
  return `
Sealpost is up. Everything here is on this machine and gone after Ctrl-C.

  bootstrap  ${stack.bootstrapUrl}   TLS 1.3, once per device
  messages   ${stack.messageUrl}   plain HTTP
  operators  ${stack.operatorUrl}

In another terminal:
  npx sealpost credential create --serial-number SN-0001 --out credential.json
  npx sealpost-device bootstrap --package credential.json
  npx sealpost --help; npx sealpost-device --help
  curl -i ${stack.messageUrl}/keys

What is refused is explained here, in a line each; every line of the functions is in ${functionLog}.
`;
}

/** The options; `null` for --help; a text that says what is wrong. */
function readOptions(commandLine: readonly string[]): Options | null | string {
  try {
    const { values } = parseArgs({
      args: [...commandLine],
      options: {
        help: { type: "boolean", short: "h" },
        "tls-port": { type: "string" },
        "plain-port": { type: "string" },
        custody: { type: "string" },
      },
    });
    if (values.help === true) return null;
    return {
      tlsPort: port(values["tls-port"]),
      plainPort: port(values["plain-port"]),
      custody: readCustody(values.custody),
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function port(text: string | undefined): number {
  if (text === undefined) return 0;
  const value = Number(text);
  if (!/^\d{1,5}$/u.test(text) || value < 1 || value > 65_535) {
    throw new RangeError(`${text} is not a port (1 to 65535).`);
  }
  return value;
}
