import {
  createDecipheriv,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from "node:crypto";

import { toSigningJwk } from "@sealpost/protocol/suites/suites.ts";
import { derToRaw } from "@sealpost/protocol/token/der.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";

import type { ContentKeyOpener, PresentKeys, SignerWithKey } from "../functions/custody/port.ts";

/** Message keys in the memory of this process: ES256 and ECDH-ES+A256KW by node:crypto, as lean as the ports allow. */
export async function keysInMemory(): Promise<PresentKeys> {
  return { replySigner: await signerInMemory(), openers: [await openerInMemory()] };
}

async function signerInMemory(): Promise<SignerWithKey> {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = toSigningJwk(publicKey.export({ format: "jwk" }));
  return {
    jwk,
    kid: await thumbprint(jwk),
    alg: "ES256",
    sign: async (data) => derToRaw(new Uint8Array(sign("sha256", data, privateKey))),
  };
}

async function openerInMemory(): Promise<ContentKeyOpener> {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk = toSigningJwk(publicKey.export({ format: "jwk" }));
  return {
    jwk,
    kid: await thumbprint(jwk),
    alg: "ECDH-ES+A256KW",
    open: async (encryptedKey, epk) => unwrap(wrappingKey(privateKey, { ...epk }), encryptedKey),
  };
}

function wrappingKey(privateKey: KeyObject, epk: object): Buffer {
  const publicKey = createPublicKey({ key: { ...epk }, format: "jwk" });
  return createHash("sha256")
    .update(Buffer.of(0, 0, 0, 1))
    .update(diffieHellman({ privateKey, publicKey }))
    .update(otherInfo)
    .digest();
}

/** RFC 7518 §4.6.2, with an empty apu and apv. */
const otherInfo = Buffer.concat([
  Buffer.of(0, 0, 0, 14),
  Buffer.from("ECDH-ES+A256KW"),
  Buffer.alloc(8),
  Buffer.of(0, 0, 1, 0),
]);

/** RFC 3394 §2.2.3.1 */
const wrapIv = Buffer.alloc(8, 0xa6);

function unwrap(key: Buffer, wrapped: Uint8Array): Uint8Array<ArrayBuffer> {
  const decipher = createDecipheriv("aes256-wrap", key, wrapIv);
  return new Uint8Array(Buffer.concat([decipher.update(wrapped), decipher.final()]));
}
