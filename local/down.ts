import { join } from "node:path";
import { parseArgs } from "node:util";

import { cleanUp, endProcess } from "./process/clean-up.ts";
import { reportFault } from "./report-fault.ts";
import { isRunning, readRunState } from "./process/run-state.ts";
import { repository } from "./repository.ts";

const help = `npm run down

Ends the local stack: asks a running \`npm run up\` to end, or ends what a killed one left behind.
It touches only processes that \`up\` recorded and that are still the same ones.

Exit codes: 0 nothing is running any more, 1 it could not be ended, 2 wrong options.`;

const runDirectory = join(repository, ".local");
/** Ending the emulator takes up to eight seconds before it is killed. */
const upEndsMilliseconds = 20_000;

process.exitCode = await main(process.argv.slice(2));

async function main(commandLine: readonly string[]): Promise<number> {
  try {
    const { values } = parseArgs({
      args: [...commandLine],
      options: { help: { type: "boolean", short: "h" } },
    });
    if (values.help === true) {
      console.log(help);
      return 0;
    }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    return 2;
  }
  try {
    return await down();
  } catch (error) {
    reportFault(error, runDirectory);
    return 1;
  }
}

async function down(): Promise<number> {
  const state = readRunState(runDirectory);
  if (state === null) {
    console.log("nothing is up");
    return 0;
  }
  if (isRunning(state)) {
    console.log(`ending the stack of process ${state.up.pid} …`);
    if (!(await endProcess(state.up, { group: false, terminateMilliseconds: upEndsMilliseconds }))) {
      console.error(`Process ${state.up.pid} does not end; it is not this user's, perhaps.`);
      return 1;
    }
  }
  const ended = await cleanUp(runDirectory, state);
  console.log(ended === 0 ? "everything has ended" : `ended ${ended} left-over process(es)`);
  return 0;
}
