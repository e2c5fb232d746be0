import { type RegistrationReply, registrationBodySchema } from "@sealpost/protocol/exchanges/registration.ts";

import { exchange } from "./exchange.ts";

const configuration: RegistrationReply["configuration"] = { pollSeconds: 3_600 };

/** Figure 5. Registering again replaces what the registry says of the device. */
export const registration = exchange({
  statuses: ["provisioned", "registered"],
  body: registrationBodySchema,
  decide: ({ model, hardware, firmware, capabilities }, { device, now }) => ({
    effect: {
      result: { configuration },
      device: {
        status: "registered",
        identity: { ...device.identity, registration: { model, hardware, firmware, capabilities, at: now } },
      },
      journal: { action: "device.registered", detail: { model, hardware, firmware, capabilities } },
    },
  }),
});
