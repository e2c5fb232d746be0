import { calculateJwkThumbprint, importJWK } from "jose";
import * as z from "zod/mini";

/** base64url of 32 bytes: a P-256 coordinate, a SHA-256 digest or thumbprint. */
export const base64url256 = z.string().check(z.regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/));

/** Name of a service: `iss` and `aud` of everything; short enough for the common names of its certificates (RFC 5280 §A.1: 64). */
export const serviceIdSchema = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9.:_-]{2,47}$/));

/** RFC 7638 thumbprint with SHA-256, base64url, 43 characters. It is the key id everywhere. */
export type Thumbprint = string;
export const thumbprintSchema = base64url256;

/** A public key of any kind; the suites say which there are. */
export type Jwk = { readonly kty: string; readonly [member: string]: unknown };

/** By the portable engine: see `suites/engine.ts`. */
export async function thumbprint(jwk: Jwk): Promise<Thumbprint> {
  return calculateJwkThumbprint(jwk, "sha256");
}

const thumbprintUriPrefix = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:";

/** RFC 9278 §3. */
export function thumbprintUri(print: Thumbprint): string {
  return `${thumbprintUriPrefix}${print}`;
}

const imported = new WeakMap<object, Map<string, Promise<CryptoKey>>>();

/** Imports a public JWK for one algorithm, once per JWK object. A point off the curve rejects. */
export function importPublicKey(jwk: Jwk, alg: string): Promise<CryptoKey> {
  const perAlg = imported.get(jwk) ?? new Map<string, Promise<CryptoKey>>();
  imported.set(jwk, perAlg);
  const known = perAlg.get(alg);
  if (known) return known;
  const key = importJWK({ ...jwk }, alg).then((value) => {
    if (value instanceof Uint8Array) throw new TypeError("a public key is never symmetric");
    return value;
  });
  perAlg.set(alg, key);
  return key;
}
