import { isDeepStrictEqual } from "node:util";

import { registration as exchange } from "@sealpost/protocol/exchanges/registration.ts";

import { serve } from "./exchange.ts";

const configuration = { pollSeconds: 3_600 };

/** Figure 5. Registering again replaces what the registry says of the device, if it says anything new. */
export const registration = serve(exchange, {
  runsIn: { provisioned: true, registered: true },
  acts: 1,
  result: exchange.reply,
  decide: (said, { device: { identity, status }, now }) => {
    const result = { configuration };
    const registration = { ...said, at: now };
    // A device that says the same again must not fill the journal.
    const { at: _, ...known }: Partial<NonNullable<typeof identity.registration>> = identity.registration ?? {};
    if (status === "registered" && isDeepStrictEqual(known, said)) return { effect: { result } };
    const { givenUp, ...rest } = identity;
    // Release counters are those of a model and hardware.
    const isSame = known.model === said.model && known.hardware === said.hardware;
    return {
      effect: {
        result,
        device: {
          status: "registered",
          identity: { ...rest, registration, ...(isSame && givenUp ? { givenUp } : {}) },
        },
        event: { action: "device.registered", detail: said },
      },
    };
  },
  reply: (result) => result,
});
