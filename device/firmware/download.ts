import { recordListOf } from "@sealpost/protocol/content/record-list.ts";
import type { ManifestClaims } from "@sealpost/protocol/exchanges/firmware.ts";
import { encodeBase64url } from "@sealpost/protocol/token/strict.ts";

import type { Patience } from "../delivery/patience.ts";
import type { FirmwareSlots, MessageTransport } from "../ports.ts";
import { ImageRecords } from "./image-records.ts";
import { ObjectReader } from "./object-reader.ts";
import { type RecordList, fetchRecordList } from "./record-list.ts";
import { SlotWriter } from "./slot-writer.ts";

export type Download = {
  readonly manifest: ManifestClaims;
  /** base64url. */
  readonly contentKey: string;
  /** Whether to hold the list of records in memory; see `DeviceOptions`. */
  readonly recordList: "use" | "skip";
  /** Bytes of the image that the slot holds for sure; only without the list, which says it better. */
  readonly written: number;
  /** Folders of objects, in turn. */
  readonly urls: readonly string[];
  readonly messages: MessageTransport;
  readonly slots: FirmwareSlots;
  readonly patience: Patience;
  readonly onWritten: (bytes: number) => Promise<void>;
  readonly onProgress: (progress: { readonly done: number; readonly total: number }) => void;
};

/**
 * Brings the image into the inactive slot. By the list, each record is compared with its signed digest before it is decrypted and written, and what
 * the slot already holds is kept as far as it is what the list says. Without it each record is authenticated under the content key, and the digest
 * of the whole decides; a slot that was harmed meanwhile is filled once more.
 * @returns whether the whole image has the manifest's digest
 * @throws DeviceError `no-answer` when patience ends, `no-space`; what was written stays
 */
export async function downloadImage(download: Download): Promise<boolean> {
  const { manifest, slots, messages, patience } = download;
  const readerOf = (object: string) =>
    new ObjectReader(
      download.urls.map((url) => `${url}/${object}`),
      messages,
      patience,
    );
  const list =
    download.recordList === "use"
      ? await fetchRecordList(manifest, readerOf(recordListOf(manifest.object)))
      : undefined;
  const reader = readerOf(manifest.object);
  try {
    const records = new ImageRecords(manifest, download.contentKey, reader, list);
    const kept = list ? await countListed(records, list, manifest, slots) : await countWritten(download);
    await fill(download, records, kept);
    if (await isWhole(manifest, slots)) return true;
    if (list || kept === 0) return false;
    await fill(download, records, 0);
    return await isWhole(manifest, slots);
  } finally {
    await reader.close();
  }
}

async function fill({ manifest, slots, ...download }: Download, records: ImageRecords, kept: number): Promise<void> {
  const { size: total, recordBytes } = manifest;
  const start = Math.min(kept * recordBytes, total);
  const writer = new SlotWriter(slots, start, total, download.onWritten);
  let done = start;
  download.onProgress({ done, total });
  try {
    for (let index = kept; index < records.count; index += 1) {
      const data = await records.open(index);
      await writer.add(data);
      done += data.length;
      download.onProgress({ done, total });
    }
  } finally {
    await writer.flush();
  }
}

/** How many records from the start were written, unless the slot lost them since; whether they are unharmed the digest of the whole says. */
async function countWritten({ manifest, slots, written }: Download): Promise<number> {
  const isThere = written > 0 && (await slots.read(written - 1, 1)).length > 0;
  return isThere ? Math.floor(written / manifest.recordBytes) : 0;
}

/** How many records from the start the slot holds unharmed. */
async function countListed(
  records: ImageRecords,
  list: RecordList,
  { recordBytes }: ManifestClaims,
  slots: FirmwareSlots,
): Promise<number> {
  for (let index = 0; index < records.count; index += 1) {
    const data = await slots.read(index * recordBytes, records.lengthOf(index));
    if (data.length < records.lengthOf(index) || !(await records.isListed(index, data, list))) return index;
  }
  return records.count;
}

async function isWhole({ size, sha256 }: ManifestClaims, slots: FirmwareSlots): Promise<boolean> {
  return encodeBase64url(await slots.sha256(size)) === sha256;
}
