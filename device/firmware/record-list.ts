import { engine } from "@sealpost/protocol/content/engine.ts";
import { recordDigestBytes, recordListBytes } from "@sealpost/protocol/content/record-list.ts";
import type { ManifestClaims } from "@sealpost/protocol/exchanges/firmware.ts";
import { decodeBase64url } from "@sealpost/protocol/token/strict.ts";

import type { ObjectReader } from "./object-reader.ts";

/** The signed digests of the encrypted records. */
export type RecordList = {
  /** Whether this is record `index`, before anything is decrypted. */
  has(index: number, record: Uint8Array<ArrayBuffer>): Promise<boolean>;
};

/**
 * Fetches the list and proves it by the manifest.
 * @throws DeviceError `no-answer` when patience ends
 */
export async function fetchRecordList(manifest: ManifestClaims, reader: ObjectReader): Promise<RecordList> {
  const list = new Uint8Array(recordListBytes(manifest.size, manifest.recordBytes));
  const signed = decodeBase64url(manifest.recordsSha256, "recordsSha256");
  for (;;) {
    await reader.read(0, list);
    if (isSame(await engine.sha256(list), signed)) break;
    await reader.reject("is damaged");
  }
  await reader.close();
  return {
    async has(index, record) {
      const at = index * recordDigestBytes;
      return isSame(await engine.sha256(record), list.subarray(at, at + recordDigestBytes));
    },
  };
}

/** Digests of public bytes: no secret is compared. */
function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((octet, at) => octet === other[at]);
}
