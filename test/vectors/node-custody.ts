import {
  constants,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  privateDecrypt,
} from "node:crypto";

import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { TokenError } from "@sealpost/protocol/token/token-error.ts";

import type { ContentKeyOpener } from "../../functions/custody/port.ts";
import { ecPrivateJwk, ecPublicJwk, rsaPrivateJwk, rsaPublicJwk } from "./test-keys.ts";

/** Openers over the test keys, with OpenSSL by way of node:crypto: another implementation than the one under test. */

export async function nodeRsaOpener(): Promise<ContentKeyOpener> {
  const key = createPrivateKey({ key: { ...rsaPrivateJwk() }, format: "jwk" });
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return {
    jwk: rsaPublicJwk(),
    kid: await thumbprint(rsaPublicJwk()),
    alg: "RSA-OAEP-256",
    open: async (encryptedKey) => opened(() => privateDecrypt({ key, padding, oaepHash: "sha256" }, encryptedKey)),
  };
}

export async function nodeAgreementOpener(): Promise<ContentKeyOpener> {
  const privateKey = createPrivateKey({ key: { ...ecPrivateJwk("messageAgreement") }, format: "jwk" });
  return {
    jwk: ecPublicJwk("messageAgreement"),
    kid: await thumbprint(ecPublicJwk("messageAgreement")),
    alg: "ECDH-ES+A256KW",
    open: async (encryptedKey, epk) =>
      opened(() => {
        // Node's key unwrapping takes nothing for nothing.
        if (encryptedKey.length !== 40) throw new RangeError("encrypted key");
        const publicKey = createPublicKey({ key: { ...epk }, format: "jwk" });
        const wrapping = concatKdf(diffieHellman({ privateKey, publicKey }), "ECDH-ES+A256KW");
        const decipher = createDecipheriv("id-aes256-wrap", wrapping, Buffer.alloc(8, 0xa6));
        return Buffer.concat([decipher.update(encryptedKey), decipher.final()]);
      }),
  };
}

/** RFC 7518 §4.6.2 for one round and empty PartyUInfo and PartyVInfo. */
export function concatKdf(z: Buffer, algorithm: string): Buffer {
  const number = (value: number) => Buffer.from([0, 0, value >> 8, value & 0xff]);
  const id = Buffer.from(algorithm);
  return createHash("sha256")
    .update(Buffer.concat([number(1), z, number(id.length), id, number(0), number(0), number(256)]))
    .digest();
}

function opened(open: () => Buffer): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(open());
  } catch (cause) {
    throw new TokenError("decryption", "encrypted key", { cause });
  }
}
