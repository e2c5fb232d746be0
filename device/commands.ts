import { commandsNext, commandsResult } from "@sealpost/protocol/exchanges/commands.ts";

import { settleRow } from "./delivery/settle-row.ts";

export const settleCommandsNext = settleRow(commandsNext, async () => (state) => state);

export const settleCommandsResult = settleRow(commandsResult, async () => (state) => state);
