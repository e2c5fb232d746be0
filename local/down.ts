import { join } from "node:path";
import { parseArgs } from "node:util";

import { cleanUp, endProcess } from "./process/clean-up.ts";
import { reportFault } from "./report-fault.ts";
import { isRunning, readRunState } from "./process/run-state.ts";
import { REPOSITORY } from "./repository.ts";

const HELP = `npm run down

Ends the local stack: asks a running \`npm run up\` to end, or ends what a killed one left behind.
It touches only processes that \`up\` recorded and that are still the same ones.

Exit codes: 0 nothing is running any more, 1 it could not be ended, 2 wrong options.`;

const DIRECTORY = join(REPOSITORY, ".local");
/** Ending the emulator takes up to eight seconds before it is killed. */
const UP_ENDS_MS = 20_000;

process.exitCode = await main(process.argv.slice(2));

async function main(commandLine: readonly string[]): Promise<number> {
  try {
    const { values } = parseArgs({
      args: [...commandLine],
      options: { help: { type: "boolean", short: "h" } },
    });
    if (values.help === true) {
      console.log(HELP);
      return 0;
    }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    return 2;
  }
  try {
    return await down();
  } catch (error) {
    reportFault(error, DIRECTORY);
    return 1;
  }
}

async function down(): Promise<number> {
  const state = readRunState(DIRECTORY);
  if (state === null) {
    console.log("nothing is up");
    return 0;
  }
  if (isRunning(state)) {
    console.log(`ending the stack of process ${state.up.pid} …`);
    if (!(await endProcess(state.up, { group: false, terminateMs: UP_ENDS_MS }))) {
      console.error(`Process ${state.up.pid} does not end; it is not this user's, perhaps.`);
      return 1;
    }
  }
  const ended = await cleanUp(DIRECTORY, state);
  console.log(ended === 0 ? "everything has ended" : `ended ${ended} left-over process(es)`);
  return 0;
}
