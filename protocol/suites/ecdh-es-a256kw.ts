import * as z from "zod/mini";

import { requestHeader } from "./a256gcm.ts";
import { p256JwkSchema } from "./p256.ts";

const alg = "ECDH-ES+A256KW";

/** Key agreement on P-256 with key wrapping (RFC 7518 §4.6): the content key is wrapped under what both agree on. */
export const ecdhEsA256kw = {
  alg,
  jwk: p256JwkSchema,
  header: z.strictObject({ ...requestHeader, alg: z.literal(alg), epk: p256JwkSchema }),
} as const;
