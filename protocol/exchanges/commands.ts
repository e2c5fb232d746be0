import * as z from "zod/mini";

import { limits } from "../limits.ts";
import { defineExchange } from "./define-exchange.ts";
import { jsonBytes } from "./readings.ts";

export const commandsNextOperation = "commands.next";
export const commandsResultOperation = "commands.result";

/** Chosen by whoever gives the command, who may give it again under the same id: it is one command. */
export const commandIdSchema = z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/));
export const commandNameSchema = z.string().check(z.regex(/^[a-z][a-z0-9.-]{0,63}$/));
/** Place in the order of a device's commands; no number is used twice. */
const number = z.int().check(z.positive());

/** Within what both ends can carry, whatever stands around it. */
function isBounded(value: unknown): boolean {
  return isShallow(value, limits.commands.depth) && jsonBytes(value) <= limits.commands.bytes;
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return depth > 0 && Object.values(value).every((member) => isShallow(member, depth - 1));
}

export const commandArgumentsSchema = z.record(z.string(), z.unknown()).check(z.refine(isBounded));

/** What a device is told to do. */
export const commandSchema = z.object({
  n: number,
  commandId: commandIdSchema,
  name: commandNameSchema,
  arguments: z.record(z.string(), z.unknown()),
  /** Unix seconds of the service's time, from which on it must not be started; absent: never. */
  expires: z.optional(z.int().check(z.nonnegative())),
  /** It may be executed more than once; absent: at most once. */
  repeatable: z.optional(z.literal(true)),
});
export type Command = z.infer<typeof commandSchema>;

/** The device asks for the first command above the last one that it settled. */
export const commandsNextBodySchema = z.strictObject({
  handled: z.int().check(z.nonnegative()),
});
export type CommandsNextBody = z.infer<typeof commandsNextBodySchema>;

/** `command` is absent from a reply whose content was freed: the device asks again, with a new message. */
export const commandsNextReplySchema = z.object({ command: z.optional(z.nullable(commandSchema)) });
export type CommandsNextReply = z.infer<typeof commandsNextReplySchema>;

/**
 * What became of a command on the device. `rejected`: it has nobody for it; `interrupted`: begun, and nobody knows how far it came; `expired`:
 * never started.
 */
export const commandResultStatuses = ["done", "failed", "rejected", "interrupted", "expired"] as const;
export type CommandResultStatus = (typeof commandResultStatuses)[number];

export const commandsResultBodySchema = z.strictObject({
  n: number,
  commandId: commandIdSchema,
  status: z.enum(commandResultStatuses),
  /** Any JSON. */
  output: z.optional(z.unknown().check(z.refine(isBounded))),
});
export type CommandsResultBody = z.infer<typeof commandsResultBodySchema>;

export const commandsResultReplySchema = z.object({});

export const commandsNext = defineExchange({
  operation: commandsNextOperation,
  request: commandsNextBodySchema,
  reply: commandsNextReplySchema,
});

export const commandsResult = defineExchange({
  operation: commandsResultOperation,
  request: commandsResultBodySchema,
  reply: commandsResultReplySchema,
});
