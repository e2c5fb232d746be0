import { CommandFailure, type CommandHandlers, commandLater } from "../commands/command-handler.ts";
import { isSayable } from "../commands/output.ts";
import type { Say } from "./acts.ts";
import { type Ended, findExecutable } from "./executable.ts";
import type { Runner } from "./runner.ts";

/**
 * Handlers that are the executables of a folder: each command is done by the one of exactly its name. It gets `name` and `commandId` as words
 * and the arguments as JSON on standard input.
 * @param folder without one, no command is known
 */
export function commandsIn(
  folder: string | undefined,
  timeoutSeconds: number,
  runner: Runner,
  say: Say,
): CommandHandlers {
  return async (name) => {
    if (folder === undefined) return undefined;
    const found = await findExecutable(folder, name);
    if ("unsafe" in found) say({ act: "command", outcome: "refused", detail: { name, why: found.unsafe } });
    if (!("file" in found)) return undefined;
    const { file } = found;
    return async (input, { commandId }) => {
      const ended = await runner({ file, args: [name, commandId], input, timeoutSeconds, isRecorded: true });
      return outputOf(ended);
    };
  };
}

/** Nested more deeply than a result may be, or larger once it is written as the service reads it, or beside how it ended. */
const tooMuch = { unusable: "too-large" } as const;

/**
 * @returns what it printed; `{ unusable }` where that cannot be told on, since exit 0 is done all the same
 * @throws CommandFailure with what is known of the end
 */
function outputOf(ended: Ended): unknown {
  switch (ended.kind) {
    case "done":
      if (ended.unusable) return { unusable: ended.unusable };
      return ended.output === undefined || isSayable(ended.output) ? ended.output : tooMuch;
    case "later":
      return commandLater;
    case "failed": {
      const { kind: _, ...known } = ended;
      if (isSayable(known)) throw new CommandFailure(ended.reason, known);
      const { output: _output, ...rest } = known;
      throw new CommandFailure(ended.reason, { ...rest, ...tooMuch });
    }
  }
}
