import * as z from "zod/mini";

import { thumbprintSchema } from "../token/keys.ts";

/** A256GCM (RFC 7518 §5.3): the content encryption of every message. */
export const a256gcm = { enc: "A256GCM", keyBytes: 32, ivBytes: 12, tagBytes: 16 } as const;

/** What the protected header of every message says (RFC 7516 §4), exactly; everything else is refused, `zip` and `crit` included. */
export const messageHeader = { enc: z.literal(a256gcm.enc), cty: z.literal("JWT") };

/** The same, to be written. */
export function messageHeaderOf<H extends object>(header: H) {
  return { ...header, enc: a256gcm.enc, cty: "JWT" } as const;
}

/** And that of every request. */
export const requestHeader = {
  ...messageHeader,
  kid: thumbprintSchema,
  /** Reserved for admission control by intermediaries the operator runs; receivers ignore it. */
  admission: z.optional(z.string().check(z.maxLength(256))),
};

/** A JWE's ciphertext and what belongs to it (RFC 7516 §5.2). */
export type SealedContent = {
  readonly iv: Uint8Array<ArrayBuffer>;
  /** The protected header, as text. */
  readonly additionalData: Uint8Array<ArrayBuffer>;
  readonly ciphertext: Uint8Array<ArrayBuffer>;
  readonly tag: Uint8Array<ArrayBuffer>;
};
