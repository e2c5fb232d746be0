import * as z from "zod/mini";

import { serviceIdSchema, thumbprintSchema } from "./token/keys.ts";
import { encodeBase64url } from "./token/strict.ts";
import { limits } from "./limits.ts";
import { encryptionJwkSchema } from "./suites/suites.ts";

const base64Der = z
  .string()
  .check(z.minLength(40), z.maxLength(limits.certificateCharacters), z.regex(/^[A-Za-z0-9+/]+={0,2}$/));

/**
 * What the operator hands a device, as a file or QR code, so that trust does not begin with first use. A later tool may say more in it: members and pins
 * that this version does not know are passed over.
 */
export const credentialPackageSchema = z.object({
  type: z.literal("sealpost-credential"),
  version: z.literal(1),
  serviceId: serviceIdSchema,
  credentialId: z.uuid(),
  /** At least 128 bits, base64url. */
  secret: z.string().check(z.regex(/^[A-Za-z0-9_-]{22,86}$/)),
  /** Base of the bootstrap routes, always https. */
  bootstrapUrl: z.url({ protocol: /^https$/ }),
  /** Thumbprints: the root, then the standby if there is one. */
  roots: z.pipe(
    z.transform((pins: unknown) => (Array.isArray(pins) ? pins.slice(0, 2) : pins)),
    z.array(thumbprintSchema).check(z.minLength(1)),
  ),
  /** PEM of the CA that vouches for the bootstrap host, where it is not a public one. */
  ca: z.optional(z.string().check(z.startsWith("-----BEGIN CERTIFICATE-----"), z.maxLength(16_384))),
});
export type CredentialPackage = z.infer<typeof credentialPackageSchema>;

/**
 * What the service keeps of a credential's secret: SHA-256 of its text, base64url. The secret has at least 128 random bits, so no slow hash is needed.
 */
export async function secretHash(secret: string): Promise<string> {
  return encodeBase64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret))));
}

/** Path below `bootstrapUrl`: OAuth 2.0 client credentials (RFC 6749 §4.4). */
export const tokenPath = "/token";
/** Path below `bootstrapUrl`: certificate exchange. */
export const certificatePath = "/certificate";

/** Audience of the first token: the certificate endpoint alone (RFC 9068 §2.2). */
export function certificateAudience(serviceId: string): string {
  return `${serviceId}${certificatePath}`;
}

/** RFC 6749 §5.1. */
export const tokenAnswerSchema = z.object({
  access_token: z.string(),
  token_type: z.literal("Bearer"),
  expires_in: z.int(),
});

/** RFC 6749 §5.2. */
export const tokenErrorSchema = z.object({ error: z.string(), error_description: z.optional(z.string()) });

/** Claims of the first token (RFC 9068 §2.2): `sub` and `client_id` are the credential id. */
export const firstTokenClaimsSchema = z.strictObject({
  iss: z.string(),
  aud: z.string(),
  sub: z.uuid(),
  client_id: z.uuid(),
  iat: z.int(),
  exp: z.int(),
  jti: z.string(),
});
export type FirstTokenClaims = z.infer<typeof firstTokenClaimsSchema>;

export const certificateRequestSchema = z.strictObject({
  /**
   * PKCS#10 (RFC 2986), base64 DER, for the signing key; its requested SAN holds two URIs: the encryption key's thumbprint (RFC 9278) and
   * `urn:uuid:<credential id>`.
   */
  csr: base64Der,
  encryptionKey: encryptionJwkSchema,
});

export const certificateAnswerSchema = z.object({
  deviceId: z.uuid(),
  /** Device certificate, then the issuing CA's; base64 DER. What follows is passed over. */
  chain: z.array(base64Der).check(z.minLength(2)),
  trust: z.array(z.array(z.string())).check(z.minLength(1)),
  keySet: z.string(),
  /** Unix seconds. */
  time: z.int(),
});
export type CertificateAnswer = z.infer<typeof certificateAnswerSchema>;

/** URI that names a device in its certificate and a credential in a PKCS#10 request (RFC 9562 §4). */
export function uuidUri(id: string): string {
  return `urn:uuid:${id}`;
}
