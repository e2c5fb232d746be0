import { registration } from "@sealpost/protocol/exchanges/registration.ts";
import { limits } from "@sealpost/protocol/limits.ts";

import { settleRow } from "./delivery/settle-row.ts";

/** The service knows now what this device is, and how often it may ask. */
export const settleRegistration = settleRow(registration, async ({ configuration }, profile) => {
  const { least, most } = limits.pollSeconds;
  const pollSeconds = Math.min(Math.max(configuration.pollSeconds, least), most);
  return (state) => {
    // Release counters are those of a model and hardware.
    const isSame = state.profile?.model === profile.model && state.profile.hardware === profile.hardware;
    return { ...state, profile, pollSeconds, givenUp: isSame ? state.givenUp : [] };
  };
});
