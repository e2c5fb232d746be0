import { commandsNext as exchange } from "@sealpost/protocol/exchanges/commands.ts";
import * as z from "zod/mini";

import { Fault } from "../fault/fault.ts";
import { type CommandRecord, type ReadCommands, argumentsOf, endCommands } from "../registry/command-items.ts";
import { nextAbove, withDelivered } from "../registry/commands.ts";
import { serve } from "./exchange.ts";

/** What is stored of an answer: which command. Its content never changes, so a repeat says the same. */
const resultSchema = z.object({ n: z.optional(z.int()) });

/**
 * The first command above what the device has settled. It counts as delivered from here on, whether or not the reply arrives: it is offered again,
 * and can neither be cancelled nor expire. Whatever it passes over ends with it.
 */
export const commandsNext = ({ commands }: { readonly commands: ReadCommands }) =>
  serve(exchange, {
    runsIn: { provisioned: false, registered: true },
    acts: 0,
    result: resultSchema,
    gather: async ({ handled }, { device, now }) => {
      const passed = nextAbove(device.commands, handled, now).passed.map(({ n }) => n);
      return { facts: await commands(device.identity.deviceId, passed) };
    },
    decide: ({ handled }, { device, now }, passed) => {
      const { offered } = nextAbove(device.commands, handled, now);
      const expired = passed.map((record) => ({ record, status: "expired" }) as const);
      const change = endCommands(device.commands, expired, now);
      if (!offered) return { effect: { result: {}, commands: change } };
      const { n } = offered;
      return { effect: { result: { n }, commands: { ...change, commands: withDelivered(change.commands, n) } } };
    },
    reply: async ({ n }, { identity: { deviceId } }) => {
      if (n === undefined) return { command: null };
      const [record] = await commands(deviceId, [n]);
      if (!record) throw new Fault("unavailable", "an offered command is no longer stored");
      return { command: wireCommand(record) };
    },
  });

function wireCommand(record: CommandRecord) {
  const { n, commandId, name, expires, repeatable } = record;
  return {
    n,
    commandId,
    name,
    arguments: argumentsOf(record),
    ...(expires === undefined ? {} : { expires }),
    ...(repeatable === undefined ? {} : { repeatable }),
  };
}
