import type { Put } from "./port.ts";
import type { JournalRecord } from "./records.ts";

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

export function deviceTarget(deviceId: string): string {
  return `device#${deviceId}`;
}

export function credentialTarget(credentialId: string): string {
  return `credential#${credentialId}`;
}
