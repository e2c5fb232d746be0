/**
 * AES-128-GCM and SHA-256 of whole records. WebCrypto copies what it is given and hands it to a thread, which costs more than the work itself on
 * 64 KiB; where the platform has node:crypto (Node, Deno, Bun), that does it in place. Both are the platform's own.
 */
export type ContentEngine = {
  sha256(bytes: Uint8Array<ArrayBuffer>): Bytes | Promise<Bytes>;
  /** @param key 16 bytes */
  recordCipher(key: Bytes): RecordCipher | Promise<RecordCipher>;
};

type Bytes = Uint8Array<ArrayBuffer>;

export type RecordCipher = {
  /** @returns the ciphertext and its tag */
  encrypt(nonce: Bytes, plaintext: Bytes): Bytes | Promise<Bytes>;
  /** @returns null for what is not authentic */
  decrypt(nonce: Bytes, record: Bytes): Bytes | null | Promise<Bytes | null>;
};

const tagBytes = 16;

export const webCryptoEngine: ContentEngine = {
  async sha256(bytes) {
    return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  },
  async recordCipher(keyBytes) {
    const key = await crypto.subtle.importKey("raw", keyBytes, "AES-GCM", false, ["encrypt", "decrypt"]);
    return {
      async encrypt(iv, plaintext) {
        return new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, plaintext));
      },
      async decrypt(iv, record) {
        try {
          return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, record));
        } catch {
          return null;
        }
      },
    };
  },
};

/** @returns undefined where there is no node:crypto */
export function nodeEngine(): ContentEngine | undefined {
  const { process }: { readonly process?: Partial<NodeJS.Process> } = globalThis;
  const node = process?.getBuiltinModule?.("node:crypto");
  if (!node) return undefined;
  const { createCipheriv, createDecipheriv, createHash, createSecretKey } = node;
  return {
    sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
    recordCipher(keyBytes) {
      const key = createSecretKey(keyBytes);
      return {
        encrypt(nonce, plaintext) {
          const cipher = createCipheriv("aes-128-gcm", key, nonce);
          const record = new Uint8Array(plaintext.length + tagBytes);
          record.set(cipher.update(plaintext));
          cipher.final();
          record.set(cipher.getAuthTag(), plaintext.length);
          return record;
        },
        decrypt(nonce, record) {
          if (record.length < tagBytes) return null;
          const decipher = createDecipheriv("aes-128-gcm", key, nonce, { authTagLength: tagBytes });
          decipher.setAuthTag(record.subarray(-tagBytes));
          // GCM is a stream cipher: all of the plaintext comes at once, and none of it is used before the tag holds.
          const plaintext = decipher.update(record.subarray(0, -tagBytes));
          try {
            decipher.final();
          } catch {
            return null;
          }
          return plaintext;
        },
      };
    },
  };
}

/** The best that the platform has. */
export const engine: ContentEngine = nodeEngine() ?? webCryptoEngine;
