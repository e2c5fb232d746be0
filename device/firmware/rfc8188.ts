/** Encrypted content-coding for HTTP (RFC 8188, `aes128gcm`), one record at a time, so that a transfer can go on at any record boundary. */

/** Header of a content without key id: salt (16), record size (4), key id length (1), §2.1. */
export const contentHeaderBytes = 21;
/** What each record adds to its data: one delimiter octet and the tag, §2. */
export const recordOverheadBytes = 17;

const saltBytes = 16;
const delimiters = { more: 1, last: 2 } as const;
const text = new TextEncoder();

/** Opens record `index` to its data; null if it is not authentic, or not padded as agreed (the delimiter alone). */
export type OpenRecord = (
  index: number,
  record: Uint8Array<ArrayBuffer>,
  last: boolean,
) => Promise<Uint8Array<ArrayBuffer> | null>;

/**
 * @param contentKey input keying material, 32 bytes
 * @param recordSize what the header must say
 * @returns null for a header of another form
 */
export async function openContent(
  contentKey: Uint8Array<ArrayBuffer>,
  header: Uint8Array<ArrayBuffer>,
  recordSize: number,
): Promise<OpenRecord | null> {
  if (header.length !== contentHeaderBytes || header[20] !== 0) return null;
  if (new DataView(header.buffer, header.byteOffset).getUint32(saltBytes) !== recordSize) return null;
  const salt = header.subarray(0, saltBytes);
  const key = await deriveKey(contentKey, salt);
  const baseNonce = await deriveNonce(contentKey, salt);
  return async (index, record, last) => {
    const plaintext = await decrypt(key, nonceOf(baseNonce, index), record);
    const delimiter = plaintext?.at(-1);
    // Encoders that stream end an image of whole records with an empty one; the manifest, not the delimiter, says where the image ends.
    const ends = delimiter === delimiters.last || record.length === recordSize;
    const agreed = last ? ends && isDelimiter(delimiter) : delimiter === delimiters.more;
    return plaintext && agreed ? plaintext.subarray(0, -1) : null;
  };
}

function isDelimiter(octet: number | undefined): boolean {
  return octet === delimiters.more || octet === delimiters.last;
}

async function importKeyingMaterial(contentKey: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", contentKey, "HKDF", false, ["deriveKey", "deriveBits"]);
}

/** §2.2. */
async function deriveKey(contentKey: Uint8Array<ArrayBuffer>, salt: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  const info = text.encode("Content-Encoding: aes128gcm\0");
  return crypto.subtle.deriveKey(
    { name: "HKDF", hash: "SHA-256", salt, info },
    await importKeyingMaterial(contentKey),
    { name: "AES-GCM", length: 128 },
    false,
    ["decrypt"],
  );
}

/** §2.3. */
async function deriveNonce(contentKey: Uint8Array<ArrayBuffer>, salt: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const info = text.encode("Content-Encoding: nonce\0");
  const material = await importKeyingMaterial(contentKey);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, material, 96));
}

/** §2.3: the record number as 96 bits, exclusive-ored; a manifest never has 2^32 chunks. */
function nonceOf(base: Uint8Array, index: number): Uint8Array<ArrayBuffer> {
  const nonce = new Uint8Array(base);
  const view = new DataView(nonce.buffer);
  view.setUint32(8, (view.getUint32(8) ^ index) >>> 0);
  return nonce;
}

async function decrypt(
  key: CryptoKey,
  iv: Uint8Array<ArrayBuffer>,
  record: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv, tagLength: 128 }, key, record));
  } catch {
    return null;
  }
}
