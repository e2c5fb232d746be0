import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { retireKey } from "./emulator/retire-key.ts";
import { LocalFault } from "./fault.ts";
import { isRunning, readRunState } from "./process/run-state.ts";
import { reportFault } from "./report-fault.ts";
import { repository } from "./repository.ts";
import type { LocalStack } from "./stack-file.ts";

const help = `npm run retire-key

Retires the key that messages are sealed to, in the stack of a running \`npm run up\`: deploys it again with the next key
generation. A device that seals to the old key is told, and seals the same message anew.

Exit codes: 0 retired, 1 nothing is up or the deployment failed, 2 wrong options.`;

const runDirectory = join(repository, ".local");

process.exitCode = await main(process.argv.slice(2));

async function main(commandLine: readonly string[]): Promise<number> {
  try {
    const { values } = parseArgs({ args: [...commandLine], options: { help: { type: "boolean", short: "h" } } });
    if (values.help === true) {
      console.log(help);
      return 0;
    }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    return 2;
  }
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => abort.abort(new LocalFault("interrupted", "Ended before the key was retired.")));
  }
  try {
    const stackFile = join(runDirectory, "stack.json");
    const generation = await retireKey({
      stack: await runningStack(stackFile),
      stackFile,
      projectDirectory: repository,
      directory: runDirectory,
      logPath: join(runDirectory, "logs", "deploy.log"),
      signal: abort.signal,
    });
    console.log(`the key is retired; messages are sealed to generation ${generation} now`);
    return 0;
  } catch (error) {
    reportFault(error, runDirectory);
    return 1;
  }
}

/** Written last by `up`, so that it is there when the stack is. */
async function runningStack(stackFile: string): Promise<LocalStack> {
  const state = readRunState(runDirectory);
  const text = await readFile(stackFile, "utf8").catch(() => undefined);
  if (state === null || !isRunning(state) || text === undefined) {
    throw new LocalFault("not-running", "No local stack is up here. Start one in another terminal: npm run up");
  }
  return JSON.parse(text);
}
