import { existsSync, readFileSync, writeFileSync } from "node:fs";

import type { Signer } from "@sealpost/protocol/token/jws.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { toSigningJwk, type SigningJwk } from "@sealpost/protocol/suites/suites.ts";
import { type RsaJwk, rsaJwkSchema } from "@sealpost/protocol/suites/rsa-oaep-256.ts";
import { webCryptoSigner } from "@sealpost/protocol/token/web-crypto-signer.ts";

/** The keys of the vectors. Their private halves are in the repository, so they protect nothing. */

export const warning = "PUBLIC TEST KEYS: everyone has their private halves. Never use one anywhere but in tests.";

export const deviceId = "0b6f9c1e-5d0c-4f7a-9a55-3c1f4f5b7a10";
export const otherDeviceId = "7e1d2b54-8a63-4c0e-8f0b-96d2c3a4e511";
export const serviceId = "sealpost-vectors";
export const now = 1_800_000_000;

const ecNames = [
  "root",
  "laterRoot",
  "standby",
  "issuingCa",
  "keySet",
  "receipt",
  "releaseA",
  "releaseB",
  "releaseC",
  "messageSigning",
  "messageAgreement",
  "deviceSigning",
  "deviceEncryption",
  "oneTimeReply",
  "stranger",
] as const;
export type EcName = (typeof ecNames)[number];

type Jwk = JsonWebKey & { kid?: string };
type KeyFile = { note: string; ec: Record<EcName, Jwk>; rsa: { messageDecryption: Jwk } };

const path = new URL("../../vectors/keys.json", import.meta.url);

/** Makes `keys.json` once; from then on it is fixed. */
export async function ensureTestKeys(): Promise<void> {
  if (existsSync(path)) return;
  const ecdsa = { name: "ECDSA", namedCurve: "P-256" };
  const ec = await Promise.all(
    ecNames.map(async (name) => {
      const { privateKey } = await crypto.subtle.generateKey(ecdsa, true, ["sign", "verify"]);
      const { kty, crv, x, y, d } = await crypto.subtle.exportKey("jwk", privateKey);
      return [name, { kty, crv, x, y, d }] as const;
    }),
  );
  const rsa = await crypto.subtle.generateKey(
    { name: "RSA-OAEP", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
    true,
    ["encrypt", "decrypt"],
  );
  const { kty, n, e, d, p, q, dp, dq, qi } = await crypto.subtle.exportKey("jwk", rsa.privateKey);
  const file = {
    note: warning,
    ec: Object.fromEntries(ec),
    rsa: { messageDecryption: { kty, n, e, d, p, q, dp, dq, qi } },
  };
  writeFileSync(path, `${JSON.stringify(file, null, 2)}\n`);
}

function keyFile(): KeyFile {
  return JSON.parse(readFileSync(path, "utf8")) as KeyFile;
}

export function ecPrivateJwk(name: EcName): Jwk {
  return keyFile().ec[name];
}

export function ecPublicJwk(name: EcName): SigningJwk {
  return toSigningJwk({ ...ecPrivateJwk(name) });
}

export function rsaPrivateJwk(): Jwk {
  return keyFile().rsa.messageDecryption;
}

export function rsaPublicJwk(): RsaJwk {
  const { kty, n, e } = rsaPrivateJwk();
  return rsaJwkSchema.parse({ kty, n, e });
}

export async function signerOf(name: EcName): Promise<Signer> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const privateKey = await crypto.subtle.importKey("jwk", ecPrivateJwk(name), algorithm, false, ["sign"]);
  const publicKey = await crypto.subtle.importKey("jwk", { ...ecPublicJwk(name) }, algorithm, true, ["verify"]);
  return webCryptoSigner({ privateKey, publicKey });
}

export async function agreementPrivateKey(name: EcName): Promise<CryptoKey> {
  return crypto.subtle.importKey("jwk", ecPrivateJwk(name), { name: "ECDH", namedCurve: "P-256" }, true, [
    "deriveBits",
    "deriveKey",
  ]);
}

export async function kidOf(name: EcName): Promise<string> {
  return thumbprint(ecPublicJwk(name));
}
