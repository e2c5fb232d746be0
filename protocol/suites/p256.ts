import * as z from "zod/mini";

import { base64url256 } from "../token/keys.ts";

/** The curve by the names that JOSE and WebCrypto share (RFC 7518 §6.2.1.1). */
export const p256 = "P-256";

/** A public P-256 key as JWK, with exactly the members that its thumbprint covers. */
export const p256JwkSchema = z.strictObject({
  kty: z.literal("EC"),
  crv: z.literal(p256),
  x: base64url256,
  y: base64url256,
});
export type P256Jwk = z.infer<typeof p256JwkSchema>;
