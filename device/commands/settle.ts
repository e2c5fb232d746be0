import { commandsNext, commandsResult } from "@sealpost/protocol/exchanges/commands.ts";

import { settleRow } from "../delivery/settle-row.ts";

/** Idempotent both, the one by `handled` and the other by `n`: what was not taken under this number goes out under another. */
const byNumber: ReadonlySet<string> = new Set(["conflict", "below-window"]);

/** The command is in hand with the write that resolves the message. One that is settled already, or comes while another is in hand, is passed over. */
export const settleCommandsNext = settleRow(
  commandsNext,
  async ({ command }) =>
    (state) => {
      const { handled, hand } = state.commands;
      const isNew = command && !hand && command.n > handled;
      return {
        ...state,
        commands: { ...state.commands, ...(isNew && { hand: command }), freed: command === undefined },
      };
    },
  (code) => (byNumber.has(code) ? "again" : undefined),
);

/** The service has it: nothing more to remember. */
export const settleCommandsResult = settleRow(
  commandsResult,
  async () => (state) => state,
  (code) => (byNumber.has(code) ? "again" : undefined),
);
