import { CompactEncrypt } from "jose";

import { importPublicKey, thumbprint } from "../token/keys.ts";
import { a256gcm, messageHeaderOf } from "./a256gcm.ts";
import type { TokenEngine } from "./engine.ts";

/** Tokens by jose and WebCrypto: every device, and whatever else has no better. */
export const portableEngine: TokenEngine = {
  async sha256(bytes) {
    return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  },
  thumbprint,
  isUsable: async (jwk, alg) =>
    importPublicKey(jwk, alg).then(
      () => true,
      () => false,
    ),
  async verify(suite, jwk, { signingInput, signature }) {
    return crypto.subtle.verify(suite.sign, await importPublicKey(jwk, suite.alg), signature, signingInput);
  },
  async decryptContent(contentKey, { iv, additionalData, ciphertext, tag }) {
    const text = new Uint8Array(ciphertext.length + tag.length);
    text.set(ciphertext);
    text.set(tag, ciphertext.length);
    const key = await crypto.subtle.importKey("raw", contentKey, "AES-GCM", false, ["decrypt"]);
    const algorithm = { name: "AES-GCM", iv, additionalData, tagLength: a256gcm.tagBytes * 8 };
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, text));
  },
  async sealCompact(jws, header, jwk) {
    return new CompactEncrypt(jws)
      .setProtectedHeader(messageHeaderOf(header))
      .encrypt(await importPublicKey(jwk, header.alg));
  },
};
