import * as z from "zod/mini";

import {
  commandArgumentsSchema,
  commandIdSchema,
  commandNameSchema,
  commandResultStatuses,
} from "../exchanges/commands.ts";
import { type Act, idSchema, seconds } from "./act.ts";
import { nextCursor, pageQuery } from "./paging.ts";

/**
 * How a command ended. `cancelled`, `expired`, `void`: not executed; `void`: its device ended before it was delivered. `unknown`: its device ended
 * after that, and nobody will know. The others are the device's word, and so may `expired` be.
 */
export const commandEnds = [...commandResultStatuses, "cancelled", "void", "unknown"] as const;
export type CommandEnd = (typeof commandEnds)[number];

/** Without an end: `queued`, or `delivered`, and then it may or may not have been executed. */
export const commandStates = ["queued", "delivered", ...commandEnds] as const;
export type CommandState = (typeof commandStates)[number];

/** How long a command may wait to be started, in seconds; without it, for ever. */
export const commandValidSeconds = { least: 1, most: 10 * 366 * 86_400 } as const;

/** What a command is, but for its content and its end. */
export const commandMembers = {
  n: z.int().check(z.positive()),
  commandId: commandIdSchema,
  name: commandNameSchema,
  expires: z.optional(seconds),
  repeatable: z.optional(z.literal(true)),
  queued: seconds,
  /** IAM ARN. */
  queuedBy: z.string(),
};

export const commandSummarySchema = z.object({
  ...commandMembers,
  state: z.enum(commandStates),
  /** When it ended. */
  ended: z.optional(seconds),
});
export type CommandSummary = z.infer<typeof commandSummarySchema>;

export const commandDetailSchema = z.extend(commandSummarySchema, {
  arguments: z.record(z.string(), z.unknown()),
  /** What the device said with its result. */
  output: z.optional(z.unknown()),
});
export type CommandDetail = z.infer<typeof commandDetailSchema>;

export const queueCommandSchema = z.strictObject({
  /** Given again, with the same content, it is the same command. */
  commandId: commandIdSchema,
  name: commandNameSchema,
  arguments: z.optional(commandArgumentsSchema),
  validSeconds: z.optional(z.int().check(z.minimum(commandValidSeconds.least), z.maximum(commandValidSeconds.most))),
  repeatable: z.optional(z.literal(true)),
});
export type QueueCommandRequest = z.infer<typeof queueCommandSchema>;

const command = { commandId: commandIdSchema };

/**
 * Below a path of their own: IAM's `*` stands for slashes, too, so whoever may see `/operator/devices/*` would see what is below a device.
 */
export const commandActs = {
  queueCommand: {
    method: "POST",
    path: "/operator/commands/{deviceId}",
    duties: ["commanding"],
    request: queueCommandSchema,
    reply: z.object({ deviceId: idSchema, command: commandDetailSchema }),
  },
  /** Newest first. Whoever looks stores what has expired by then: it is true whoever says it. */
  listCommands: {
    method: "GET",
    path: "/operator/commands/{deviceId}",
    duties: ["reading", "commanding"],
    query: z.strictObject(pageQuery),
    reply: z.object({ deviceId: idSchema, commands: z.array(commandSummarySchema), cursor: nextCursor }),
  },
  showCommand: {
    method: "GET",
    path: "/operator/commands/{deviceId}/{commandId}",
    parameters: command,
    duties: ["reading", "commanding"],
    reply: z.object({ deviceId: idSchema, command: commandDetailSchema }),
  },
  /** Only what was never delivered: the reply says what it came to. */
  cancelCommand: {
    method: "POST",
    path: "/operator/commands/{deviceId}/{commandId}/cancel",
    parameters: command,
    duties: ["commanding"],
    reply: z.object({ deviceId: idSchema, command: commandDetailSchema }),
  },
} as const satisfies Record<string, Act>;
