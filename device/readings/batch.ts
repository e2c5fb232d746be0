import { type ReadingRecord, jsonBytes, readingRecordSchema } from "@sealpost/protocol/exchanges/readings.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import * as z from "zod/mini";

import type { SpoolEntry, SpoolInput } from "../ports.ts";

/** What stands around the records of a body, the stream's name too. */
const frameBytes = 128;
export const mostBatchBytes = limits.readings.bytes - frameBytes;

/** Records in their order, in as few entries as the limits of a message allow. */
export function toEntries(stream: string, records: readonly ReadingRecord[]): readonly SpoolInput[] {
  const entries: SpoolInput[] = [];
  let texts: string[] = [];
  let bytes = 0;
  const close = () => {
    if (texts.length > 0) entries.push({ stream, records: texts.length, content: `[${texts.join(",")}]` });
    texts = [];
    bytes = 0;
  };
  for (const record of records) {
    const size = jsonBytes(record) + 1;
    if (texts.length === limits.readings.records || bytes + size > mostBatchBytes) close();
    texts.push(JSON.stringify(record));
    bytes += size;
  }
  close();
  return entries;
}

/**
 * What goes into one message: the oldest entry, and what follows of its stream while it fits. The order of each stream is kept, so nothing is
 * left out to look for what is smaller.
 * @param entries oldest first
 */
export function oldestBatch(entries: readonly SpoolEntry[]): readonly SpoolEntry[] {
  const batch: SpoolEntry[] = [];
  let [records, bytes] = [0, 0];
  for (const entry of entries) {
    if (entry.stream !== entries[0]?.stream) continue;
    records += entry.records;
    bytes += entry.bytes;
    if (batch.length > 0 && (records > limits.readings.records || bytes > mostBatchBytes)) break;
    batch.push(entry);
  }
  return batch;
}

/** @returns null for what this software did not write */
export function parseContent(content: string): readonly ReadingRecord[] | null {
  try {
    const parsed = z.array(readingRecordSchema).safeParse(JSON.parse(content));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
