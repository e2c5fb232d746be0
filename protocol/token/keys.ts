import { calculateJwkThumbprint, importJWK } from "jose";
import * as z from "zod/mini";

/** base64url of 32 bytes: a P-256 coordinate, a SHA-256 digest or thumbprint. */
export const base64url256 = z.string().check(z.regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/));

/** Name of a service: `iss` and `aud` of everything; short enough for the common names of its certificates (RFC 5280 §A.1: 64). */
export const serviceIdSchema = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9.:_-]{2,47}$/));

/** RFC 7638 thumbprint with SHA-256, base64url, 43 characters. It is the key id everywhere. */
export type Thumbprint = string;
export const thumbprintSchema = base64url256;

/** A public P-256 key as JWK (RFC 7518 §6.2.1), with exactly the members that its thumbprint covers. */
export const ecPublicJwkSchema = z.strictObject({
  kty: z.literal("EC"),
  crv: z.literal("P-256"),
  x: base64url256,
  y: base64url256,
});
export type EcPublicJwk = z.infer<typeof ecPublicJwkSchema>;

/** A public RSA key of 2048 to 4096 bits as JWK (RFC 7518 §6.3.1). */
export const rsaPublicJwkSchema = z.strictObject({
  kty: z.literal("RSA"),
  n: z.string().check(z.regex(/^[A-Za-z0-9_-]{342,683}$/)),
  e: z.literal("AQAB"),
});
export type RsaPublicJwk = z.infer<typeof rsaPublicJwkSchema>;

export type PublicJwk = EcPublicJwk | RsaPublicJwk;

export async function thumbprint(jwk: PublicJwk): Promise<Thumbprint> {
  return calculateJwkThumbprint(jwk, "sha256");
}

const thumbprintUriPrefix = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:";

/** RFC 9278 §3. */
export function thumbprintUri(print: Thumbprint): string {
  return `${thumbprintUriPrefix}${print}`;
}

/** The public members alone; whatever else a JWK carries is left behind. */
export function toEcPublicJwk(jwk: { [member: string]: unknown }): EcPublicJwk {
  return ecPublicJwkSchema.parse({ kty: jwk["kty"], crv: jwk["crv"], x: jwk["x"], y: jwk["y"] });
}

const imported = new WeakMap<object, Map<string, Promise<CryptoKey>>>();

/** Imports a public JWK for one algorithm, once per JWK object. A point off the curve rejects. */
export function importPublicKey(jwk: PublicJwk, alg: string): Promise<CryptoKey> {
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
