import { createHash } from "node:crypto";

import type { ContentCipher } from "@sealpost/protocol/content/aes128gcm.ts";
import { recordDigestBytes } from "@sealpost/protocol/content/record-list.ts";

import { changedFault, type Image, readRecords } from "./image.ts";

/** What a first pass over an image finds out: for the manifest, for the record list, and for the upload to be checked by. */
export type Digests = {
  /** SHA-256 of the whole image, base64url. */
  readonly image: string;
  /** The record list: SHA-256 of each encrypted record. */
  readonly records: Buffer;
  /** SHA-256 of the encrypted image. */
  readonly encrypted: Buffer;
};

/** @param progress called with the fraction done */
export async function digestImage(
  image: Image,
  cipher: ContentCipher,
  progress: (fraction: number) => void,
): Promise<Digests> {
  const whole = createHash("sha256");
  const encrypted = createHash("sha256").update(cipher.header);
  const records = Buffer.alloc(image.recordCount * recordDigestBytes);
  let index = 0;
  for await (const data of readRecords(image)) {
    whole.update(data);
    const record = await cipher.seal(index, data, index + 1 === image.recordCount);
    encrypted.update(record);
    records.set(sha256(record), index * recordDigestBytes);
    index += 1;
    progress(index / image.recordCount);
  }
  return { image: whole.digest("base64url"), records, encrypted: encrypted.digest() };
}

/**
 * The encrypted image, a record at a time, the same on every pass. No record but the one that was digested is handed out: another one under the
 * same key and number would give both away.
 */
export async function* sealImage(
  image: Image,
  cipher: ContentCipher,
  { records }: Pick<Digests, "records">,
  progress: (fraction: number) => void,
): AsyncGenerator<Uint8Array> {
  yield cipher.header;
  let index = 0;
  for await (const data of readRecords(image)) {
    const record = await cipher.seal(index, data, index + 1 === image.recordCount);
    const at = index * recordDigestBytes;
    if (!sha256(record).equals(records.subarray(at, at + recordDigestBytes))) throw changedFault(image.path);
    yield record;
    index += 1;
    progress(index / image.recordCount);
  }
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}
