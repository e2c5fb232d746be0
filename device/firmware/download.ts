import {
  type ContentCipher,
  contentHeaderBytes,
  openContent,
  recordOverheadBytes,
} from "@sealpost/protocol/content/aes128gcm.ts";
import type { ManifestClaims } from "@sealpost/protocol/exchanges/firmware.ts";
import { decodeBase64url, encodeBase64url } from "@sealpost/protocol/token/strict.ts";

import type { Patience } from "../delivery/patience.ts";
import { ByteReader } from "./byte-reader.ts";
import { toSetback } from "../delivery/bounded-transport.ts";
import type { Setback } from "../device-error.ts";
import type { FirmwareSlots, MessageTransport } from "../ports.ts";

export type Download = {
  readonly manifest: ManifestClaims;
  /** base64url. */
  readonly contentKey: string;
  /** Where the object may be, in turn. */
  readonly urls: readonly string[];
  readonly messages: MessageTransport;
  readonly slots: FirmwareSlots;
  readonly patience: Patience;
  readonly onProgress: (progress: { readonly done: number; readonly total: number }) => void;
};

/**
 * Brings the image into the inactive slot. Every chunk is authenticated and compared with the manifest before a byte of it is written; what the
 * slot already holds is checked against the manifest again and kept, so the slot itself is the only record of progress. A transfer that breaks
 * off, is damaged or starts at the wrong place is asked for again from the next record.
 * @returns whether the whole image has the manifest's digest
 * @throws DeviceError `no-answer` when patience ends; what was written stays
 */
export async function downloadImage(download: Download): Promise<boolean> {
  const { manifest, slots, patience, onProgress } = download;
  const total = manifest.size;
  let chunk = await countVerified(manifest, slots);
  onProgress({ done: endOf(manifest, chunk), total });
  for (let attempt = 0; chunk < manifest.chunks.length; attempt += 1) {
    const url = download.urls[attempt % download.urls.length] ?? "";
    const transfer = new Transfer(download, url);
    for (let bytes = await transfer.next(chunk); bytes; bytes = await transfer.next(chunk)) {
      await slots.write(chunk * manifest.chunkBytes, bytes);
      chunk += 1;
      patience.renew();
      onProgress({ done: endOf(manifest, chunk), total });
      if (chunk === manifest.chunks.length) break;
    }
    await transfer.close();
    if (chunk < manifest.chunks.length) await patience.pause(transfer.setback);
  }
  return encodeBase64url(await slots.sha256(manifest.size)) === manifest.sha256;
}

/** How many chunks from the start the slot holds unharmed. */
async function countVerified(manifest: ManifestClaims, slots: FirmwareSlots): Promise<number> {
  for (const [index, digest] of manifest.chunks.entries()) {
    const bytes = await slots.read(index * manifest.chunkBytes, lengthOf(manifest, index));
    if (bytes.length !== lengthOf(manifest, index) || (await sha256(bytes)) !== digest) return index;
  }
  return manifest.chunks.length;
}

/** One transfer of the object, from any chunk to wherever it breaks off. Nothing it yields is unverified. */
class Transfer {
  readonly #download: Download;
  readonly #url: string;
  #open: { readonly reader: ByteReader; readonly cipher: ContentCipher } | undefined;
  /** Why it ended early. */
  setback: Setback = { why: "" };

  constructor(download: Download, url: string) {
    this.#download = download;
    this.#url = url;
  }

  /** The chunk, or null where the transfer ends; chunks are asked for in order. */
  async next(index: number): Promise<Uint8Array | null> {
    try {
      this.#open ??= await this.#start(index);
      const bytes = this.#open && (await this.#read(index, this.#open));
      if (!bytes && !this.setback.why) this.setback = { why: `${this.#url} broke off or is damaged` };
      return bytes ?? null;
    } catch (error) {
      this.setback = toSetback(error);
      return null;
    }
  }

  async close(): Promise<void> {
    await this.#open?.reader.close().catch(() => {});
  }

  async #start(index: number) {
    const { manifest, contentKey } = this.#download;
    const recordSize = manifest.chunkBytes + recordOverheadBytes;
    const head = await this.#from(0, index === 0 ? undefined : contentHeaderBytes - 1);
    const header = await head?.take(contentHeaderBytes);
    const key = decodeBase64url(contentKey, "key");
    const cipher = header ? await openContent(key, header, manifest.chunkBytes) : null;
    if (index === 0 && head && cipher) return { reader: head, cipher };
    await head?.close();
    if (!cipher) return undefined;
    const reader = await this.#from(contentHeaderBytes + index * recordSize);
    return reader && { reader, cipher };
  }

  async #from(first: number, last?: number): Promise<ByteReader | undefined> {
    const range = { first, ...(last === undefined ? {} : { last }) };
    const answer = await this.#download.messages.get(this.#url, range);
    const reader = new ByteReader(answer.body);
    const usable = (answer.status === 200 || answer.status === 206) && answer.first <= first;
    if (usable && (await reader.skip(first - answer.first))) return reader;
    this.setback = { why: `${this.#url} answered HTTP ${answer.status}` };
    await reader.close();
    return undefined;
  }

  async #read(index: number, { reader, cipher }: { reader: ByteReader; cipher: ContentCipher }) {
    const { manifest } = this.#download;
    const record = await reader.take(lengthOf(manifest, index) + recordOverheadBytes);
    const bytes = record && (await cipher.open(index, record, index === manifest.chunks.length - 1));
    return bytes && (await sha256(bytes)) === manifest.chunks[index] ? bytes : null;
  }
}

function lengthOf({ size, chunkBytes }: ManifestClaims, index: number): number {
  return Math.min(chunkBytes, size - index * chunkBytes);
}

function endOf({ size, chunkBytes }: ManifestClaims, chunks: number): number {
  return Math.min(size, chunks * chunkBytes);
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return encodeBase64url(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}
