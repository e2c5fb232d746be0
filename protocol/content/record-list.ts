import { countRecords } from "./aes128gcm.ts";

/**
 * The object beside an image that lists its records: the SHA-256 of each encrypted one, in order, 32 octets each. Its own digest is in the manifest,
 * so a record is checked before it is decrypted, and whoever only carries the list learns nothing from it.
 */
export const recordDigestBytes = 32;

/** @param object name of the image's own object, which never has a dot */
export function recordListOf(object: string): string {
  return `${object}.records`;
}

/** Bytes of the list. */
export function recordListBytes(size: number, recordBytes: number): number {
  return countRecords(size, recordBytes) * recordDigestBytes;
}
