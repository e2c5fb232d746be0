import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { rsaJwkSchema } from "@sealpost/protocol/suites/rsa-oaep-256.ts";
import { TokenError } from "@sealpost/protocol/token/token-error.ts";

import type { ContentKeyOpener } from "../../functions/custody/port.ts";
import { agreementKey } from "./keys.ts";

/** Openers over WebCrypto keys for both request algorithms: the same port that KMS stands behind. */

export async function rsaOpener(): Promise<ContentKeyOpener> {
  const algorithm = {
    name: "RSA-OAEP",
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: "SHA-256",
  };
  const pair = await crypto.subtle.generateKey(algorithm, true, ["encrypt", "decrypt"]);
  const { kty, n, e } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const jwk = rsaJwkSchema.parse({ kty, n, e });
  return {
    jwk,
    kid: await thumbprint(jwk),
    alg: "RSA-OAEP-256",
    open: (encryptedKey) =>
      crypto.subtle.decrypt({ name: "RSA-OAEP" }, pair.privateKey, encryptedKey).then(toBytes, notOpened),
  };
}

/** RFC 7518 §4.6: Z, then the Concat KDF with an empty apu and apv, then AES key unwrap. */
export async function agreementOpener(): Promise<ContentKeyOpener> {
  const { jwk, pair } = await agreementKey();
  return {
    jwk,
    kid: await thumbprint(jwk),
    alg: "ECDH-ES+A256KW",
    async open(encryptedKey, epk) {
      try {
        const ecdh = { name: "ECDH", namedCurve: "P-256" };
        const theirs = await crypto.subtle.importKey("jwk", { ...epk }, ecdh, false, []);
        const z = await crypto.subtle.deriveBits({ name: "ECDH", public: theirs }, pair.privateKey, 256);
        const wrapping = await crypto.subtle.importKey("raw", await concatKdf(z), "AES-KW", false, ["unwrapKey"]);
        const gcm = { name: "AES-GCM", length: 256 };
        const key = await crypto.subtle.unwrapKey("raw", encryptedKey, wrapping, "AES-KW", gcm, true, ["decrypt"]);
        return toBytes(await crypto.subtle.exportKey("raw", key));
      } catch (cause) {
        return notOpened(cause);
      }
    },
  };
}

async function concatKdf(z: ArrayBuffer): Promise<ArrayBuffer> {
  const alg = Buffer.from("ECDH-ES+A256KW");
  const number = (value: number) => Buffer.from([0, 0, value >> 8, value & 0xff]);
  const other = [number(alg.length), alg, number(0), number(0), number(256)];
  return crypto.subtle.digest("SHA-256", Buffer.concat([number(1), Buffer.from(z), ...other]));
}

function toBytes(buffer: ArrayBuffer): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer);
}

function notOpened(cause: unknown): never {
  throw new TokenError("decryption", "encrypted key", { cause });
}
