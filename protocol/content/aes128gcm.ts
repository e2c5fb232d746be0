import { type ContentEngine, engine as platformEngine } from "./engine.ts";

/**
 * HTTP's encrypted content-coding `aes128gcm` (RFC 8188), both ways, one record at a time: whoever knows the header can go on at any record.
 * The libraries end a content of whole records with one more, empty record, which nothing of the image stands for; so the layout is written here.
 */

/** Header of a content without key id: salt (16), record size (4), key id length (1), §2.1. */
export const contentHeaderBytes = 21;
/** What each record adds to its data: one delimiter octet and the tag, §2. */
export const recordOverheadBytes = 17;

const saltBytes = 16;
const delimiters = { more: 1, last: 2 } as const;
const text = new TextEncoder();

export type ContentCipher = {
  readonly header: Uint8Array<ArrayBuffer>;
  /**
   * @param index of the record, from 0
   * @param data of the record, whole but in the last one
   */
  seal(index: number, data: Uint8Array, last: boolean): Promise<Uint8Array<ArrayBuffer>>;
  /** @returns the record's data; null if it is not authentic under its number, or not padded as agreed (the delimiter alone) */
  open(index: number, record: Uint8Array<ArrayBuffer>, last: boolean): Promise<Uint8Array<ArrayBuffer> | null>;
};

/**
 * @param contentKey input keying material; fresh for every content, like the salt: records are numbered from 0 under each pair
 * @param salt 16 bytes
 * @param recordBytes of data in every record but the last
 */
export async function contentCipher(
  contentKey: Uint8Array<ArrayBuffer>,
  salt: Uint8Array<ArrayBuffer>,
  recordBytes: number,
  engine: ContentEngine = platformEngine,
): Promise<ContentCipher> {
  const recordSize = recordBytes + recordOverheadBytes;
  const { records, baseNonce } = await deriveKeys(contentKey, salt, engine);
  return {
    header: headerOf(salt, recordSize),
    async seal(index, data, last) {
      const plaintext = new Uint8Array(data.length + 1);
      plaintext.set(data);
      plaintext[data.length] = last ? delimiters.last : delimiters.more;
      return records.encrypt(nonceOf(baseNonce, index), plaintext);
    },
    async open(index, record, last) {
      const plaintext = await records.decrypt(nonceOf(baseNonce, index), record);
      const delimiter = plaintext?.at(-1);
      // Encoders that stream end whole records with an empty one; the manifest, not the delimiter, says where the image ends.
      const ends = delimiter === delimiters.last || record.length === recordSize;
      const agreed = last ? ends && isDelimiter(delimiter) : delimiter === delimiters.more;
      return plaintext && agreed ? plaintext.subarray(0, -1) : null;
    },
  };
}

/**
 * The cipher of a content that begins with this header.
 * @param recordBytes what the header must say, less what a record adds
 * @returns null for a header of another form
 */
export async function openContent(
  contentKey: Uint8Array<ArrayBuffer>,
  header: Uint8Array<ArrayBuffer>,
  recordBytes: number,
  engine: ContentEngine = platformEngine,
): Promise<ContentCipher | null> {
  if (header.length !== contentHeaderBytes || header[contentHeaderBytes - 1] !== 0) return null;
  const recordSize = new DataView(header.buffer, header.byteOffset).getUint32(saltBytes);
  if (recordSize !== recordBytes + recordOverheadBytes) return null;
  return contentCipher(contentKey, header.slice(0, saltBytes), recordBytes, engine);
}

/** How many records carry so many bytes. */
export function countRecords(size: number, recordBytes: number): number {
  return Math.ceil(size / recordBytes);
}

/** Bytes of a whole content: header and records. */
export function contentBytes(size: number, recordBytes: number): number {
  return contentHeaderBytes + size + countRecords(size, recordBytes) * recordOverheadBytes;
}

function headerOf(salt: Uint8Array, recordSize: number): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(contentHeaderBytes);
  header.set(salt);
  new DataView(header.buffer).setUint32(saltBytes, recordSize);
  return header;
}

/** §2.2, §2.3. */
async function deriveKeys(contentKey: Uint8Array<ArrayBuffer>, salt: Uint8Array<ArrayBuffer>, engine: ContentEngine) {
  const material = await crypto.subtle.importKey("raw", contentKey, "HKDF", false, ["deriveBits"]);
  const derive = async (info: string, bytes: number) => {
    const algorithm = { name: "HKDF", hash: "SHA-256", salt, info: text.encode(`${info}\0`) };
    return new Uint8Array(await crypto.subtle.deriveBits(algorithm, material, bytes * 8));
  };
  return {
    records: await engine.recordCipher(await derive("Content-Encoding: aes128gcm", 16)),
    baseNonce: await derive("Content-Encoding: nonce", 12),
  };
}

/** §2.3: the record's number as 96 bits, exclusive-ored into the nonce; an image has far fewer than 2^32 records. */
function nonceOf(baseNonce: Uint8Array<ArrayBuffer>, index: number): Uint8Array<ArrayBuffer> {
  const nonce = baseNonce.slice();
  const view = new DataView(nonce.buffer);
  view.setUint32(8, (view.getUint32(8) ^ index) >>> 0);
  return nonce;
}

function isDelimiter(octet: number | undefined): boolean {
  return octet === delimiters.more || octet === delimiters.last;
}
