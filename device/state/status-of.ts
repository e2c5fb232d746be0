import type { DeviceStatus } from "./device-status.ts";
import type { ServiceKeys } from "../trust/service-keys.ts";
import type { DeviceState } from "./state.ts";

export function statusOf(state: DeviceState | null, serviceKeys?: ServiceKeys): DeviceStatus {
  if (!state) return { phase: "new" };
  if (state.phase === "bootstrapping") return { phase: state.phase, serviceId: state.credential.serviceId };
  const { serviceId, deviceId } = state;
  if (state.phase === "deregistered") return { phase: state.phase, serviceId, deviceId, receipt: state.receipt };
  const { profile, pollSeconds, update, queue, signingKey, trust } = state;
  return {
    phase: state.ended ?? (profile ? "registered" : "provisioned"),
    serviceId,
    deviceId,
    ...profile,
    ...(pollSeconds !== null && { pollSeconds }),
    ...(update && {
      update: {
        version: update.manifest.version,
        counter: update.manifest.counter,
        size: update.manifest.size,
        stage: update.stage,
      },
    }),
    pending: queue.pending.map(({ seq, operation }) => ({ seq, operation })),
    unknown: queue.unknown,
    signingKey,
    trustVersion: trust.version,
    ...(serviceKeys && {
      keySet: { version: serviceKeys.keySet.version, exp: serviceKeys.keySet.exp },
      time: serviceKeys.clock.now(),
    }),
  };
}
