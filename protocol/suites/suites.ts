import * as z from "zod/mini";

import { type PublicJwk, ecPublicJwkSchema, rsaPublicJwkSchema, thumbprintSchema } from "../token/keys.ts";

/**
 * The algorithms of the protocol. The key decides which row applies (`alg` of its JWK); a header is only ever compared with it.
 * A new algorithm is a new row, nothing below switches on names.
 */

/** RFC 7518 §3.4. The one signature algorithm; DSA signatures on the wire are r‖s, 64 bytes. */
export const signatureAlgorithm = "ES256";
/** RFC 7518 §5.3. The one content encryption. */
export const contentEncryption = "A256GCM";

/** How a request's content key reaches the server: RFC 7518 §4.3 and §4.6. */
export const requestSuites = {
  "RSA-OAEP-256": { publicKey: rsaPublicJwkSchema, epk: false },
  "ECDH-ES+A256KW": { publicKey: ecPublicJwkSchema, epk: true },
} as const satisfies Record<string, { publicKey: z.core.$ZodType<PublicJwk>; epk: boolean }>;
export type RequestAlgorithm = keyof typeof requestSuites;

/** How a reply's content key reaches the device: RFC 7518 §4.6, direct. Of a certified key by definition, of a one-time key by its `alg`. */
export const replyAlgorithm = "ECDH-ES";

/** A public key for the reply to one request, which says what it is for. */
export const oneTimeKeySchema = z.strictObject({ ...ecPublicJwkSchema.shape, alg: z.literal(replyAlgorithm) });
export type OneTimeKey = z.infer<typeof oneTimeKeySchema>;

const jweHeaderBase = {
  enc: z.literal(contentEncryption),
  kid: thumbprintSchema,
  cty: z.literal("JWT"),
  /** Reserved for admission control by intermediaries the operator runs; receivers ignore it. */
  admission: z.optional(z.string().check(z.maxLength(256))),
};

/** Protected header of a request, exactly (RFC 7516 §4); everything else is refused, `zip` and `crit` included. */
export const requestJweHeaderSchema = z.union([
  z.strictObject({ ...jweHeaderBase, alg: z.literal("RSA-OAEP-256") }),
  z.strictObject({ ...jweHeaderBase, alg: z.literal("ECDH-ES+A256KW"), epk: ecPublicJwkSchema }),
]);
export type RequestJweHeader = z.infer<typeof requestJweHeaderSchema>;

/** Protected header of a reply, exactly: nothing that names the device. */
export const replyJweHeaderSchema = z.strictObject({
  alg: z.literal(replyAlgorithm),
  enc: z.literal(contentEncryption),
  cty: z.literal("JWT"),
  epk: ecPublicJwkSchema,
});
