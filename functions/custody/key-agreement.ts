import { type KeyObject, createDecipheriv, createPublicKey, diffieHellman } from "node:crypto";

import type { P256Jwk } from "@sealpost/protocol/suites/p256.ts";
import { a256gcm } from "@sealpost/protocol/suites/a256gcm.ts";
import { ecdhEsA256kw } from "@sealpost/protocol/suites/ecdh-es-a256kw.ts";
import { TokenError } from "@sealpost/protocol/token/token-error.ts";

import { concatKdf } from "../engine/concat-kdf.ts";

/** AES key wrap (RFC 3394 §2.2.3.1): eight bytes more than the key, and a fixed initial value. */
const wrappedBytes = a256gcm.keyBytes + 8;
const initialValue = Buffer.alloc(8, 0xa6);

/**
 * The content key of a request by ECDH-ES+A256KW (RFC 7518 §4.6): agreement on P-256, key derivation, AES key unwrap. jose does all of it, but hands
 * out no content key.
 * @param epk the sender's ephemeral public key; one that is not on the curve is refused by OpenSSL
 * @throws TokenError `decryption`
 */
export function unwrapContentKey(
  privateKey: KeyObject,
  encryptedKey: Uint8Array,
  epk: P256Jwk | undefined,
): Uint8Array<ArrayBuffer> {
  // OpenSSL unwraps nothing from nothing.
  if (encryptedKey.length !== wrappedBytes || !epk) throw new TokenError("decryption", "encrypted key");
  try {
    const publicKey = createPublicKey({ key: { ...epk }, format: "jwk" });
    const wrapping = concatKdf(diffieHellman({ privateKey, publicKey }), ecdhEsA256kw.alg, a256gcm.keyBytes);
    const decipher = createDecipheriv("id-aes256-wrap", wrapping, initialValue);
    return new Uint8Array(Buffer.concat([decipher.update(encryptedKey), decipher.final()]));
  } catch (cause) {
    throw new TokenError("decryption", "encrypted key", { cause });
  }
}
