import * as z from "zod/mini";

import { limits } from "../limits.ts";
import { thumbprintSchema } from "../token/keys.ts";
import { defineExchange } from "./define-exchange.ts";

export const deregistrationOperation = "deregister";

/** Figure 7: the last message of a device. */
export const deregistrationBodySchema = z.strictObject({
  reason: z.optional(z.string().check(z.regex(/^[a-z][a-z-]{0,63}$/))),
});

export const deregistrationReplySchema = z.object({ receipt: z.string().check(z.maxLength(limits.receiptBytes)) });
export type DeregistrationReply = z.infer<typeof deregistrationReplySchema>;

/** Claims of a receipt (signed by the receipt key): proof, years later, that this device left. */
export const receiptClaimsSchema = z.object({
  iss: z.string(),
  sub: z.uuid(),
  iat: z.int(),
  type: z.literal("deregistration"),
  signingKey: thumbprintSchema,
  encryptionKey: thumbprintSchema,
});
export type ReceiptClaims = z.infer<typeof receiptClaimsSchema>;

export const deregistration = defineExchange({
  operation: deregistrationOperation,
  request: deregistrationBodySchema,
  reply: deregistrationReplySchema,
});
