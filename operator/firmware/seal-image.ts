import { createHash } from "node:crypto";

import type { ContentCipher } from "@sealpost/protocol/content/aes128gcm.ts";

import { changedFault, type Image, readChunks } from "./image.ts";

/** What a first pass over an image finds out: for the manifest, and for the upload to be checked by. */
export type Digests = {
  /** SHA-256 of each chunk, base64url. */
  readonly chunks: readonly string[];
  /** SHA-256 of the whole image, base64url. */
  readonly image: string;
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
  const chunks: string[] = [];
  for await (const chunk of readChunks(image)) {
    whole.update(chunk);
    encrypted.update(await cipher.seal(chunks.length, chunk, chunks.length + 1 === image.chunkCount));
    chunks.push(digestOf(chunk));
    progress(chunks.length / image.chunkCount);
  }
  return { chunks, image: whole.digest("base64url"), encrypted: encrypted.digest() };
}

/**
 * The encrypted image, a record at a time, the same on every pass. No chunk but the one that was digested is encrypted: another one under the
 * same key and number would give both away.
 */
export async function* sealImage(
  image: Image,
  cipher: ContentCipher,
  digests: Digests,
  progress: (fraction: number) => void,
): AsyncGenerator<Uint8Array> {
  yield cipher.header;
  let index = 0;
  for await (const chunk of readChunks(image)) {
    if (digestOf(chunk) !== digests.chunks[index]) throw changedFault(image.path);
    yield cipher.seal(index, chunk, index + 1 === image.chunkCount);
    index += 1;
    progress(index / image.chunkCount);
  }
}

function digestOf(chunk: Uint8Array): string {
  return createHash("sha256").update(chunk).digest("base64url");
}
