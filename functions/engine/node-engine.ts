import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  hash,
  randomBytes,
  verify,
} from "node:crypto";

import { a256gcm, messageHeaderOf } from "@sealpost/protocol/suites/a256gcm.ts";
import type { TokenEngine } from "@sealpost/protocol/suites/engine.ts";
import { ecdhEs } from "@sealpost/protocol/suites/ecdh-es.ts";
import { p256JwkSchema } from "@sealpost/protocol/suites/p256.ts";
import { rawToDer } from "@sealpost/protocol/token/der.ts";
import { codec } from "@sealpost/protocol/token/codec.ts";

import { concatKdf } from "./concat-kdf.ts";
import { publicKey } from "./public-keys.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Tokens by node:crypto, at once and in place: for the functions, where WebCrypto's hand-offs to threads cost more than the cryptography (ADR 0017). It
 * passes the vectors and the contract of every engine.
 */
export const nodeEngine = {
  sha256: (bytes) => toBytes(hash("sha256", bytes, "buffer")),
  thumbprint(jwk) {
    // RFC 7638 §3: the required members in order, without white space.
    const { kty, crv, e, n, x, y } = jwk;
    return hash("sha256", JSON.stringify(kty === "RSA" ? { e, kty, n } : { crv, kty, x, y }), "base64url");
  },
  isUsable(jwk) {
    try {
      return publicKey(jwk).type === "public";
    } catch {
      return false;
    }
  },
  verify: (_, jwk, { signingInput, signature }) => verify("sha256", signingInput, publicKey(jwk), rawToDer(signature)),
  decryptContent(contentKey, { iv, additionalData, ciphertext, tag }) {
    const options = { authTagLength: a256gcm.tagBytes };
    const decipher = createDecipheriv(cipherName, createSecretKey(contentKey), iv, options);
    decipher.setAAD(additionalData).setAuthTag(tag);
    // GCM is a stream cipher: all of the plaintext comes at once, and none of it is used before the tag holds.
    const plaintext = decipher.update(ciphertext);
    decipher.final();
    return toBytes(plaintext);
  },
  sealCompact(jws, { alg, ...header }, jwk) {
    // What a service seals: replies. Requests are sealed by devices.
    if (alg !== ecdhEs.alg) throw new TypeError("no algorithm of a reply");
    const { privateKey, publicKey: ephemeral } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const agreed = diffieHellman({ privateKey, publicKey: publicKey(jwk) });
    const epk = p256JwkSchema.parse(ephemeral.export({ format: "jwk" }));
    const text = codec.encodeBase64url(JSON.stringify({ alg, ...messageHeaderOf(header), epk }));
    const iv = toBytes(randomBytes(a256gcm.ivBytes));
    const contentKey = createSecretKey(concatKdf(agreed, a256gcm.enc, a256gcm.keyBytes));
    const cipher = createCipheriv(cipherName, contentKey, iv).setAAD(codec.encodeAscii(text));
    const ciphertext = cipher.update(jws);
    cipher.final();
    return `${text}..${[iv, ciphertext, cipher.getAuthTag()].map(codec.encodeBase64url).join(".")}`;
  },
} as const satisfies TokenEngine;

const cipherName = "aes-256-gcm";

function toBytes(buffer: Buffer<ArrayBuffer>): Bytes {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
