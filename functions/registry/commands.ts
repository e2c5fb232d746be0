import { limits } from "@sealpost/protocol/limits.ts";

import type { CommandsRecord } from "../store/records.ts";

/**
 * The commands of a device, as its own items know them: enough to say that some wait, which is next, and which number comes then. The rules are
 * docs/protocol.md, "Rules of commands"; the commands themselves are items of their own (command-items.ts).
 */
export type Commands = {
  /** The number of the newest command that the device was ever given. */
  readonly highest: number;
  /** Those without an end, in the order of their numbers. */
  readonly open: readonly OpenCommand[];
};

export type OpenCommand = {
  readonly n: number;
  /** The device may have it, and may have executed it. */
  readonly delivered: boolean;
  readonly expires?: number;
};

export const noCommands: Commands = { highest: 0, open: [] };

export function isFull({ open }: Commands): boolean {
  return open.length >= limits.commands.open;
}

/** Under the next number, which no other command of the device ever had. */
export function withQueued({ highest, open }: Commands, expires: number | undefined): Commands {
  const n = highest + 1;
  return { highest: n, open: [...open, { n, delivered: false, ...(expires === undefined ? {} : { expires }) }] };
}

/**
 * The command that a device is offered, and those that are passed over on the way, since their time is over before they were delivered.
 * @param handled the number of the last command that the device settled
 * @param now Unix seconds
 */
export function nextAbove(
  { open }: Commands,
  handled: number,
  now: number,
): { readonly offered: OpenCommand | undefined; readonly passed: readonly OpenCommand[] } {
  const above = open.filter(({ n }) => n > handled);
  const place = above.findIndex((command) => !isExpired(command, now));
  return place < 0 ? { offered: undefined, passed: above } : { offered: above[place], passed: above.slice(0, place) };
}

/** What a look stores as expired. */
export function expiredOf({ open }: Commands, now: number): readonly OpenCommand[] {
  return open.filter((command) => isExpired(command, now));
}

/** Only what was never delivered: of the others the device judges, and its result says so. */
function isExpired({ delivered, expires }: OpenCommand, now: number): boolean {
  return !delivered && expires !== undefined && expires <= now;
}

export function withDelivered(commands: Commands, n: number): Commands {
  return { ...commands, open: commands.open.map((open) => (open.n === n ? { ...open, delivered: true } : open)) };
}

/** Without those that have an end. */
export function withoutEnded(commands: Commands, numbers: readonly number[]): Commands {
  return { ...commands, open: commands.open.filter(({ n }) => !numbers.includes(n)) };
}

/**
 * After a restore, or where the table lost the device: what no restore takes back has the last word on what is open, and all of it counts as
 * delivered, since deliveries are not recorded there.
 * @param stored as the table says, perhaps of an earlier moment
 */
export function recalledCommands(stored: Commands, kept: Commands | undefined): Commands {
  const { open } = kept ?? stored;
  return {
    highest: Math.max(stored.highest, kept?.highest ?? 0),
    open: open.map((command) => ({ ...command, delivered: true })),
  };
}

/** Small, since every message reads and writes it; nothing for a device that was never given a command. */
export function encodeCommands({ highest, open }: Commands): { readonly commands?: CommandsRecord } {
  if (highest === 0) return {};
  const entries = open.map(({ n, delivered, expires }): CommandsRecord["open"][number] => {
    const flag = delivered ? 1 : 0;
    return expires === undefined ? [n, flag] : [n, flag, expires];
  });
  return { commands: { highest, open: entries } };
}

export function decodeCommands(record: CommandsRecord | undefined): Commands {
  if (!record) return noCommands;
  const open = record.open.map(([n, flag, expires]) => ({
    n,
    delivered: flag === 1,
    ...(expires === undefined ? {} : { expires }),
  }));
  return { highest: record.highest, open };
}
