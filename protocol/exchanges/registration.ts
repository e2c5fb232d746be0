import * as z from "zod/mini";

import { firmwareVersionSchema, hardwareSchema, modelSchema } from "./firmware.ts";
import { defineExchange } from "./define-exchange.ts";

export const registrationOperation = "register";

/** Figure 5: the first sealed message of a device. Sent again it updates what the registry says of the device. */
export const registrationBodySchema = z.strictObject({
  model: modelSchema,
  hardware: hardwareSchema,
  firmware: firmwareVersionSchema,
  capabilities: z.array(z.string().check(z.regex(/^[a-z][a-z0-9.-]{0,31}$/))).check(z.maxLength(16)),
});
export type RegistrationBody = z.infer<typeof registrationBodySchema>;

export const registrationReplySchema = z.object({
  configuration: z.object({
    /** How often the device asks for firmware. The device clamps it to its own limits. */
    pollSeconds: z.int(),
  }),
});
export type RegistrationReply = z.infer<typeof registrationReplySchema>;

export const registration = defineExchange({
  operation: registrationOperation,
  request: registrationBodySchema,
  reply: registrationReplySchema,
});
