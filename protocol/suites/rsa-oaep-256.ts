import * as z from "zod/mini";

import { requestHeader } from "./a256gcm.ts";

const alg = "RSA-OAEP-256";

/** A public RSA key of 2048 to 4096 bits as JWK (RFC 7518 §6.3.1). */
export const rsaJwkSchema = z.strictObject({
  kty: z.literal("RSA"),
  n: z.string().check(z.regex(/^[A-Za-z0-9_-]{342,683}$/)),
  e: z.literal("AQAB"),
});
export type RsaJwk = z.infer<typeof rsaJwkSchema>;

/** RSA-OAEP with SHA-256 (RFC 7518 §4.3): the content key is encrypted to the service's key. */
export const rsaOaep256 = {
  alg,
  jwk: rsaJwkSchema,
  header: z.strictObject({ ...requestHeader, alg: z.literal(alg) }),
  /** WebCrypto's names of the key. */
  key: { name: "RSA-OAEP", hash: "SHA-256" },
} as const;
