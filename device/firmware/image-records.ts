import {
  type ContentCipher,
  contentHeaderBytes,
  countRecords,
  openContent,
  recordOverheadBytes,
} from "@sealpost/protocol/content/aes128gcm.ts";
import type { ManifestClaims } from "@sealpost/protocol/exchanges/firmware.ts";
import { decodeBase64url } from "@sealpost/protocol/token/strict.ts";

import type { ObjectReader } from "./object-reader.ts";
import type { RecordList } from "./record-list.ts";

/** The records of one encrypted image, proven one by one: by the signed list, where there is one, and by their own tags. */
export class ImageRecords {
  readonly count: number;
  readonly #manifest: ManifestClaims;
  readonly #contentKey: Uint8Array<ArrayBuffer>;
  readonly #reader: ObjectReader;
  readonly #list: RecordList | undefined;
  readonly #buffer: Uint8Array<ArrayBuffer>;
  #cipher: ContentCipher | undefined;

  constructor(manifest: ManifestClaims, contentKey: string, reader: ObjectReader, list: RecordList | undefined) {
    this.count = countRecords(manifest.size, manifest.recordBytes);
    this.#manifest = manifest;
    this.#contentKey = decodeBase64url(contentKey, "contentKey");
    this.#reader = reader;
    this.#list = list;
    this.#buffer = new Uint8Array(Math.min(manifest.recordBytes, manifest.size) + recordOverheadBytes);
  }

  /** Plaintext bytes of a record. */
  lengthOf(index: number): number {
    const { size, recordBytes } = this.#manifest;
    return Math.min(recordBytes, size - index * recordBytes);
  }

  /**
   * The data of a record, authentic and listed.
   * @throws DeviceError `no-answer` when patience ends
   */
  async open(index: number): Promise<Uint8Array<ArrayBuffer>> {
    const at = contentHeaderBytes + index * (this.#manifest.recordBytes + recordOverheadBytes);
    const record = this.#buffer.subarray(0, this.lengthOf(index) + recordOverheadBytes);
    for (;;) {
      const cipher = (this.#cipher ??= await this.#readHeader(index > 0));
      await this.#reader.read(at, record);
      const isListed = !this.#list || (await this.#list.has(index, record));
      const data = isListed ? await cipher.open(index, record, this.#isLast(index)) : null;
      if (data) return data;
      // The salt is proven by nothing but what it opens.
      this.#cipher = undefined;
      await this.#reader.reject("is damaged");
    }
  }

  /**
   * Whether this is the data of a record, which is found out by sealing it again.
   * @throws DeviceError `no-answer` when patience ends
   */
  async isListed(index: number, data: Uint8Array, list: RecordList): Promise<boolean> {
    const cipher = (this.#cipher ??= await this.#readHeader(true));
    return list.has(index, await cipher.seal(index, data, this.#isLast(index)));
  }

  /** @param alone whether another place than the start of the first record is read next */
  async #readHeader(alone: boolean): Promise<ContentCipher> {
    const header = new Uint8Array(contentHeaderBytes);
    for (;;) {
      await this.#reader.read(0, header, alone);
      const cipher = await openContent(this.#contentKey, header, this.#manifest.recordBytes);
      if (cipher) return cipher;
      await this.#reader.reject("is damaged");
    }
  }

  #isLast(index: number): boolean {
    return index === this.count - 1;
  }
}
