import type { CommandResultStatus } from "@sealpost/protocol/exchanges/commands.ts";
import { type CommandEnd, commandEnds, commandMembers } from "@sealpost/protocol/operator/commands.ts";
import * as z from "zod/mini";

import { Fault } from "../fault/fault.ts";
import type { Item, Put, Store } from "../store/port.ts";
import { parseRecord } from "../store/records.ts";
import { type Commands, withQueued, withoutEnded } from "./commands.ts";
import type { DeviceEvent } from "./events.ts";
import { lifeTarget } from "./life.ts";

/**
 * A command whole, beside the life of its device: no restore takes back that it was given, or how it ended. Its content never changes, and it ends
 * once.
 */
const commandRecordSchema = z.object({
  target: z.string(),
  /** `command#<n, 10 digits>`: lists are in the order of the numbers. */
  at: z.string(),
  revision: z.int(),
  ...commandMembers,
  /** JSON text, since the table's numbers are not those of JSON. */
  arguments: z.string(),
  end: z.optional(
    z.object({
      status: z.enum(commandEnds),
      /** Unix seconds. */
      at: z.int(),
      /** JSON text. */
      output: z.optional(z.string()),
    }),
  ),
});
export type CommandRecord = z.infer<typeof commandRecordSchema>;

/** A step of a device's commands: what its own items say then, the commands that changed, and what is recorded. */
export type CommandChange = {
  readonly commands: Commands;
  readonly records: readonly CommandRecord[];
  readonly puts: readonly Put[];
  readonly events: readonly DeviceEvent[];
};

/** What somebody asks for. */
export type NewCommand = Pick<
  CommandRecord,
  "commandId" | "name" | "arguments" | "expires" | "repeatable" | "queued" | "queuedBy"
>;

/** The command takes the next number, and its id, which names it for good. */
export function queueCommand(commands: Commands, deviceId: string, command: NewCommand): CommandChange {
  const next = withQueued(commands, command.expires);
  const n = next.highest;
  const record: CommandRecord = { ...commandKey(deviceId, n).key, revision: 0, n, ...command };
  const { commandId, name, expires, repeatable } = command;
  return {
    commands: next,
    records: [record],
    puts: [
      { table: "journal", item: record, when: "absent" },
      { table: "journal", item: { ...commandIdKey(deviceId, commandId).key, n }, when: "absent" },
    ],
    events: [
      {
        action: "command.queued",
        detail: {
          n,
          commandId,
          name,
          ...(expires === undefined ? {} : { expires }),
          ...(repeatable === undefined ? {} : { repeatable }),
        },
      },
    ],
  };
}

/** Ends that are no word of the device. */
type GivenEnd = Exclude<CommandEnd, CommandResultStatus> | "expired";

/** Commands end for good, together. */
export function endCommands(
  commands: Commands,
  endings: readonly { readonly record: CommandRecord; readonly status: GivenEnd }[],
  now: number,
): CommandChange {
  const records = endings.map(({ record, status }) => ended(record, { status, at: now }));
  return {
    commands: withoutEnded(
      commands,
      records.map(({ n }) => n),
    ),
    records,
    puts: records.map(endPut),
    events: endings.map(({ record: { n, commandId, name }, status }) => ({
      action: `command.${status}`,
      detail: { n, commandId, name },
    })),
  };
}

/** The device's word on a command. @param output JSON text */
export function settleCommand(
  commands: Commands,
  record: CommandRecord,
  { status, output }: { readonly status: CommandResultStatus; readonly output?: string },
  now: number,
): CommandChange {
  const { n, commandId, name } = record;
  const settled = ended(record, { status, at: now, ...(output === undefined ? {} : { output }) });
  return {
    commands: withoutEnded(commands, [n]),
    records: [settled],
    puts: [endPut(settled)],
    events: [{ action: "command.result", detail: { n, commandId, name, status } }],
  };
}

/** A device that ends takes its commands with it: what it never got it never did, and of the rest nobody will know. */
export function closeCommands(commands: Commands, records: readonly CommandRecord[], now: number): CommandChange {
  const delivered = new Set(commands.open.flatMap((open) => (open.delivered ? [open.n] : [])));
  const endings = records.map((record) => ({ record, status: delivered.has(record.n) ? "unknown" : "void" }) as const);
  return endCommands(commands, endings, now);
}

function ended(record: CommandRecord, end: NonNullable<CommandRecord["end"]>): CommandRecord {
  return { ...record, revision: record.revision + 1, end };
}

function endPut(item: CommandRecord): Put {
  return { table: "journal", item, when: { revision: item.revision - 1 } };
}

/** Commands of a device by their numbers. */
export type ReadCommands = (deviceId: string, numbers: readonly number[]) => Promise<readonly CommandRecord[]>;

/** Commands by their numbers, in that order; one that is missing is our fault, since they are given and kept together with their numbers. */
export async function readCommands(
  store: Pick<Store, "read">,
  deviceId: string,
  numbers: readonly number[],
): Promise<readonly CommandRecord[]> {
  if (numbers.length === 0) return [];
  const items = await store.read(numbers.map((n) => commandKey(deviceId, n)));
  return items.map((item) => {
    if (!item) throw new Fault("unavailable", "a command that was given is not stored");
    return parseCommand(item);
  });
}

/** @returns the number of the command that has this id; undefined if the device was given none */
export async function readCommandNumber(
  store: Pick<Store, "read">,
  deviceId: string,
  commandId: string,
): Promise<number | undefined> {
  const [item] = await store.read([commandIdKey(deviceId, commandId)]);
  return item && parseRecord(z.object({ n: z.int() }), item).n;
}

export function parseCommand(item: Item): CommandRecord {
  return parseRecord(commandRecordSchema, item);
}

export function argumentsOf(record: CommandRecord): { readonly [name: string]: unknown } {
  return parseRecord(z.object({ of: z.record(z.string(), z.unknown()) }), { of: JSON.parse(record.arguments) }).of;
}

/** Partition and prefix of a device's commands, for lists. */
export function commandsOf(deviceId: string) {
  return { partition: ["target", lifeTarget(deviceId)], beginsWith: "command#" } as const;
}

function commandKey(deviceId: string, n: number) {
  const key = { target: lifeTarget(deviceId), at: `command#${String(n).padStart(10, "0")}` };
  return { table: "journal", key } as const;
}

function commandIdKey(deviceId: string, commandId: string) {
  return { table: "journal", key: { target: lifeTarget(deviceId), at: `command-id#${commandId}` } } as const;
}
