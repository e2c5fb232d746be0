import { createHash } from "node:crypto";

import * as z from "zod/mini";

import { cursorBehind, keyAt } from "../store/cursor.ts";
import type { Item, Page, Put, Store } from "../store/port.ts";
import { parseRecord } from "../store/records.ts";
import { type Action, type Event, eventDetails } from "./events.ts";

const isAction = (name: string): name is Action => Object.hasOwn(eventDetails, name);
const entrySchema = z.object({
  /** `device#<id>`, `credential#<id>`, `release#<model>#<hardware>`, `trust`. */
  target: z.string(),
  /** `<ISO time>#<unique>`: the order of things that happened to the target. */
  at: z.string(),
  action: z.enum(Object.keys(eventDetails).filter(isAction)),
  /** IAM ARN of an operator, `device#<id>` or `credential#<id>`. */
  actor: z.string(),
  time: z.int().check(z.nonnegative()),
  detail: z.record(z.string(), z.unknown()),
});

/** To whom something happened, by whom, and when. */
type About = { readonly target: string; readonly actor: string; readonly time: number };
export type JournalEntry = About & { readonly at: string } & Event;

/**
 * A journal entry as a change: written in the same transaction as what it records, so neither exists without the other, and only where nothing
 * is stored.
 * @param unique tells entries of the same second apart: a fresh UUID, or what no other entry about anything has
 */
export function journalPut(entry: About & Event, unique: string): Put {
  const iso = new Date(entry.time * 1000).toISOString();
  const item = { ...entry, at: `${iso}#${unique}`, day: dayPartition(iso.slice(0, 10), shardOf(entry.target)) };
  return { table: "journal", item, when: "absent" };
}

/** Parses a stored entry; one that does not fit is our fault. */
export function parseEntry(item: Item): JournalEntry {
  const { action, detail, ...about } = parseRecord(entrySchema, item);
  // The action chooses the schema, which the types cannot follow.
  return { ...about, action, detail: parseRecord<object>(eventDetails[action], detail) } as JournalEntry;
}

/**
 * What happened on one day, newest first, over all its partitions.
 * @param day UTC date, as 2026-11-25
 * @param paging `cursor`: of the page before
 */
export async function listDay(
  store: Pick<Store, "list">,
  day: string,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<Page> {
  const pages = await Promise.all(
    shards.map((shard) =>
      store.list({ ...dayRequest(day, shard), limit, ...(cursor === undefined ? {} : { cursor }) }),
    ),
  );
  const found = pages.flatMap(({ items }) => items).toSorted((a, b) => (String(a["at"]) < String(b["at"]) ? 1 : -1));
  const items = found.slice(0, limit);
  const last = items.at(-1);
  const isEnd = found.length <= limit && pages.every((page) => page.cursor === undefined);
  return last === undefined || isEnd ? { items } : { items, cursor: cursorBehind(dayRequest(day, ""), last) };
}

/** Whether a list of a day gave this cursor. */
export function isDayCursor(day: string, cursor: string): boolean {
  return keyAt(dayRequest(day, ""), cursor) !== undefined;
}

/** A place in one partition is one in all: `at` orders them together. */
function dayRequest(day: string, shard: string) {
  return { table: "journal", index: "byDay", partition: ["day", dayPartition(day, shard)], descending: true } as const;
}

/** A partition takes 1,000 write units a second, and an index that cannot keep up throttles the writes to its table. */
const shards = [..."0123456789abcdef"];

function shardOf(target: string): string {
  return createHash("sha256").update(target).digest("hex").slice(0, 1);
}

function dayPartition(day: string, shard: string): string {
  return `${day}#${shard}`;
}

export function deviceTarget(deviceId: string): string {
  return `device#${deviceId}`;
}

export function credentialTarget(credentialId: string): string {
  return `credential#${credentialId}`;
}
