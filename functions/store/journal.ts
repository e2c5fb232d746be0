import type { Put, Store } from "./port.ts";
import { type JournalRecord, journalRecordSchema, parseRecord } from "./records.ts";

/**
 * A journal entry as a change: written in the same transaction as what it records, so neither exists without the other.
 * @param unique tells entries of the same second apart; a message's jti makes the entry the same on every try
 */
export function journalPut(
  entry: Pick<JournalRecord, "target" | "action" | "actor" | "time" | "detail">,
  unique: string,
): Put {
  const iso = new Date(entry.time * 1000).toISOString();
  const item: JournalRecord = { ...entry, at: `${iso}#${unique}`, day: iso.slice(0, 10) };
  return { table: "journal", item, when: "absent" };
}

/** Everything that happened to one target: whoever has much to say must not push its own ending off the first page. */
export async function readJournal(store: Pick<Store, "list">, target: string): Promise<JournalRecord[]> {
  const entries: JournalRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list({
      table: "journal",
      partition: ["target", target],
      limit: 1_000,
      ...(cursor === undefined ? {} : { cursor }),
    });
    entries.push(...page.items.map((item) => parseRecord(journalRecordSchema, item)));
    cursor = page.cursor;
  } while (cursor !== undefined);
  return entries;
}

export function deviceTarget(deviceId: string): string {
  return `device#${deviceId}`;
}

export function credentialTarget(credentialId: string): string {
  return `credential#${credentialId}`;
}
