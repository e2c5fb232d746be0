import * as z from "zod/mini";

import { limits } from "../limits.ts";
import { certificateRequestSchema } from "../bootstrap.ts";
import { defineExchange } from "./define-exchange.ts";

export const renewalOperation = "renew";

/**
 * Renewal of the device's two keys: the old signing key signs the message, the PKCS#10 request proves possession of the new one. Its requested
 * SAN holds the new encryption key's thumbprint URI and `urn:uuid:<device id>`.
 */
export const renewalBodySchema = certificateRequestSchema;

export const renewalReplySchema = z.object({
  certificate: z.string().check(z.maxLength(limits.certificateCharacters)),
});
export type RenewalReply = z.infer<typeof renewalReplySchema>;

export const renewal = defineExchange({
  operation: renewalOperation,
  request: renewalBodySchema,
  reply: renewalReplySchema,
});
