import {
  constants,
  createCipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  publicEncrypt,
  randomBytes,
} from "node:crypto";

import type { Signer } from "@sealpost/protocol/token/jws.ts";
import { toSigningJwk, type SigningJwk } from "@sealpost/protocol/suites/suites.ts";
import { type RsaJwk } from "@sealpost/protocol/suites/rsa-oaep-256.ts";

import { concatKdf } from "./node-custody.ts";

/** Tokens by hand, with any header and any text: libraries refuse to make the defects that receivers must refuse to take. */

export type Json = { readonly [member: string]: unknown };

const b64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString("base64url");
const textOf = (value: Json | string) => (typeof value === "string" ? value : JSON.stringify(value));

export async function assembleJws(
  header: Json | string,
  payload: Json | string | Uint8Array,
  signer: Signer,
): Promise<string> {
  const bytes = payload instanceof Uint8Array ? payload : Buffer.from(textOf(payload));
  const input = `${b64(textOf(header))}.${b64(bytes)}`;
  return `${input}.${b64(await signer.sign(new TextEncoder().encode(input)))}`;
}

/** What the sender of a JWE hides; the header is completed by `epk` where there is key agreement. */
export type KeyManagement =
  | { readonly kind: "rsa"; readonly jwk: RsaJwk }
  | { readonly kind: "agreement"; readonly jwk: SigningJwk }
  | { readonly kind: "direct"; readonly jwk: SigningJwk };

type Parts = { header: string; encryptedKey: string; iv: string; ciphertext: string; tag: string };

/**
 * @param header made from the ephemeral key, if there is one
 * @param change of the parts after encryption
 */
export function assembleJwe(
  header: (epk: SigningJwk | undefined) => Json | string,
  plaintext: string | Uint8Array,
  management: KeyManagement,
  change: (parts: Parts) => Parts = (parts) => parts,
): string {
  const ephemeral = management.kind === "rsa" ? undefined : generateKeyPairSync("ec", { namedCurve: "P-256" });
  const epk = ephemeral && toSigningJwk({ ...ephemeral.publicKey.export({ format: "jwk" }) });
  const agree = (algorithm: string) => {
    const publicKey = createPublicKey({ key: { ...management.jwk }, format: "jwk" });
    if (!ephemeral) throw new Error("no ephemeral key");
    return concatKdf(diffieHellman({ privateKey: ephemeral.privateKey, publicKey }), algorithm);
  };
  const contentKey = management.kind === "direct" ? agree("A256GCM") : randomBytes(32);
  const encryptedKey = encryptKey(management, contentKey, agree);
  const protectedHeader = b64(textOf(header(epk)));
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", contentKey, iv);
  cipher.setAAD(Buffer.from(protectedHeader));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  const parts = change({
    header: protectedHeader,
    encryptedKey: b64(encryptedKey),
    iv: b64(iv),
    ciphertext: b64(ciphertext),
    tag: b64(cipher.getAuthTag()),
  });
  return [parts.header, parts.encryptedKey, parts.iv, parts.ciphertext, parts.tag].join(".");
}

function encryptKey(management: KeyManagement, contentKey: Buffer, agree: (algorithm: string) => Buffer): Buffer {
  switch (management.kind) {
    case "direct":
      return Buffer.alloc(0);
    case "rsa": {
      const key = createPublicKey({ key: { ...management.jwk }, format: "jwk" });
      return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" }, contentKey);
    }
    case "agreement": {
      const cipher = createCipheriv("id-aes256-wrap", agree("ECDH-ES+A256KW"), Buffer.alloc(8, 0xa6));
      return Buffer.concat([cipher.update(contentKey), cipher.final()]);
    }
  }
}

/** The other canonical character that decodes to the same bytes but for unused bits, which must be zero. */
export function withUnusedBits(segment: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  if (segment.slice(segment.lastIndexOf(".") + 1).length % 4 === 0) throw new Error("no unused bits");
  return segment.slice(0, -1) + (alphabet[alphabet.indexOf(segment.at(-1) ?? "") + 1] ?? "");
}

export function flipLastBit(segment: string): string {
  const bytes = Buffer.from(segment, "base64url");
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  return b64(bytes);
}
