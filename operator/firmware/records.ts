/**
 * HTTP's encrypted content-coding `aes128gcm` (RFC 8188), one chunk of the image to a record: header, then each chunk, its delimiter and its
 * tag. A device can so decrypt from any chunk on. The libraries end an image of whole chunks with one more, empty record, which no chunk of the
 * manifest stands for; so the layout is written here.
 */
export const headerBytes = 21;
const delimiterBytes = 1;
const tagBytes = 16;
/** What a record adds to its chunk. */
export const recordOverheadBytes = delimiterBytes + tagBytes;

export type RecordCipher = {
  /** RFC 8188 §2.1: salt, record size, empty key id. */
  readonly header: Uint8Array<ArrayBuffer>;
  /**
   * @param index of the chunk, from 0
   * @param last RFC 8188 §2: delimiter 2 instead of 1
   */
  seal(chunk: Uint8Array, index: number, last: boolean): Promise<Uint8Array<ArrayBuffer>>;
};

/**
 * @param contentKey input keying material; fresh for every image, like the salt: records are numbered from 0 under each pair
 * @param salt 16 bytes
 * @param chunkBytes of every chunk but the last
 */
export async function recordCipher(
  contentKey: Uint8Array<ArrayBuffer>,
  salt: Uint8Array<ArrayBuffer>,
  chunkBytes: number,
): Promise<RecordCipher> {
  const material = await crypto.subtle.importKey("raw", contentKey, "HKDF", false, ["deriveKey", "deriveBits"]);
  const derivation = (info: string) => ({
    name: "HKDF",
    hash: "SHA-256",
    salt,
    info: new TextEncoder().encode(`${info}\0`),
  });
  const aes = { name: "AES-GCM", length: 128 };
  const key = await crypto.subtle.deriveKey(derivation("Content-Encoding: aes128gcm"), material, aes, false, [
    "encrypt",
  ]);
  const nonce = new Uint8Array(await crypto.subtle.deriveBits(derivation("Content-Encoding: nonce"), material, 96));

  const header = new Uint8Array(headerBytes);
  header.set(salt);
  new DataView(header.buffer).setUint32(16, chunkBytes + recordOverheadBytes);
  return {
    header,
    async seal(chunk, index, last) {
      const plaintext = new Uint8Array(chunk.length + delimiterBytes);
      plaintext.set(chunk);
      plaintext[chunk.length] = last ? 2 : 1;
      const iv = nonceOf(nonce, index);
      return new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, plaintext));
    },
  };
}

/** RFC 8188 §2.3: the record's number, 96 bits, exclusive-ored into the nonce. An image has far fewer than 2³² records. */
function nonceOf(base: Uint8Array<ArrayBuffer>, index: number): Uint8Array<ArrayBuffer> {
  const nonce = base.slice();
  const view = new DataView(nonce.buffer);
  view.setUint32(8, (view.getUint32(8) ^ index) >>> 0);
  return nonce;
}
