import { commandsResult as exchange } from "@sealpost/protocol/exchanges/commands.ts";

import { type ReadCommands, settleCommand } from "../registry/command-items.ts";
import { serve } from "./exchange.ts";

/** What became of a command. The first word on it stays: a later one changes nothing, and is told the same. */
export const commandsResult = ({ commands }: { readonly commands: ReadCommands }) =>
  serve(exchange, {
    runsIn: { provisioned: false, registered: true },
    acts: 0,
    result: exchange.reply,
    gather: async ({ n, commandId }, { device }) => {
      if (n > device.commands.highest) return { refusal: { code: "unknown-command", field: "body.n" } };
      const [record] = await commands(device.identity.deviceId, [n]);
      return record?.commandId === commandId
        ? { facts: record }
        : { refusal: { code: "unknown-command", field: "body.commandId" } };
    },
    decide: ({ n, status, output }, { device: { commands: given }, now }, record) => {
      if (!given.open.some((open) => open.n === n)) return { effect: { result: {} } };
      const said = { status, ...(output === undefined ? {} : { output: JSON.stringify(output) }) };
      return { effect: { result: {}, commands: settleCommand(given, record, said, now) } };
    },
    reply: (result) => result,
  });
