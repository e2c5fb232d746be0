import { resolve } from "node:path";

import type { Command } from "commander";
import * as z from "zod/mini";

import type { HandledCommand } from "../commands/command-handler.ts";
import { lineOf, type Act } from "../agent/acts.ts";
import { commandsIn } from "../agent/commands.ts";
import { readMachine } from "../agent/machine.ts";
import { RecordKeeper } from "../agent/record.ts";
import { endLeftOver, runnerFor } from "../agent/runner.ts";
import { parseSeconds } from "./global-options.ts";
import { agentRecordStore, withDevice } from "./home.ts";

const optionsSchema = z.object({ runIn: z.optional(z.string()), timeout: z.number(), bootId: z.string() });

export function registerCommands(program: Command): void {
  program
    .command("commands")
    .summary("do what the operator says, until there is nothing more")
    .description(
      "Asks for commands and does them one by one: each is the executable of exactly its name in --run-in. It gets the name and the command's id as words, and the arguments as JSON on standard input.\n" +
        "What it prints is the result. A name without an executable is answered as rejected. A command that is not repeatable is started at most once, whatever fails.",
    )
    .option("--run-in <dir>", "where the executables are; without it, every command is rejected")
    .option("--timeout <seconds>", "how long one may run", parseSeconds, 300)
    .option("--boot-id <file>", "where the system tells one start from another", "/proc/sys/kernel/random/boot_id")
    .addHelpText("after", "\nExample:\n  $ sealpost-device commands --run-in /etc/meter/commands")
    .action(async (given: unknown, command: Command) => {
      const { runIn, timeout, bootId } = optionsSchema.parse(given);
      await withDevice(command, async (device, { folder, output }) => {
        const machine = await readMachine(bootId);
        const keeper = await RecordKeeper.open(agentRecordStore(folder), machine.bootId, machine.uptimeSeconds());
        const say = (act: Act) => output.note(lineOf(act));
        await endLeftOver(keeper, say);
        const stop = new AbortController();
        const environment = { SEALPOST_DEVICE_HOME: resolve(folder) };
        const runner = runnerFor({ keeper, say: (line) => output.note(line), environment, signal: stop.signal });
        const lines: string[] = [];
        const onSettled = ({ name, commandId, status }: HandledCommand) =>
          lines.push(`${name} (${commandId}): ${status}`);
        const handlers = commandsIn(runIn, timeout, runner, say);
        const handled = await device.handleCommands({ handlers, ask: true, onSettled }).catch((error: unknown) => {
          // What was done is said, whatever came after it.
          for (const line of lines) output.note(line);
          throw error;
        });
        await keeper.changeIfRoom({});
        output.result(lines.length > 0 ? lines : ["There was nothing to do."], { commands: handled });
      });
    });
}
