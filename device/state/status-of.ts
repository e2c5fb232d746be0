import type { DeviceStatus } from "./device-status.ts";
import type { DeviceState } from "./state.ts";

/** The newest key set and the time, where they were verified. */
type Known = {
  readonly keySet: { readonly version: number; readonly exp: number };
  readonly clock: { now(): number };
};

export function statusOf(state: DeviceState | null, known?: Known): DeviceStatus {
  if (!state) return { phase: "new" };
  if (state.phase === "bootstrapping") return { phase: state.phase, serviceId: state.credential.serviceId };
  const { serviceId, deviceId } = state;
  if (state.phase === "deregistered") return { phase: state.phase, serviceId, deviceId, receipt: state.receipt };
  const { profile, pollSeconds, update, givenUp, queue, signingKey, trust, commands } = state;
  const { handled, hand, waiting } = commands;
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
    givenUp: givenUp.filter((counter) => counter > (profile?.firmware.counter ?? 0)),
    pending: queue.pending.map(({ seq, operation }) => ({ seq, operation })),
    unknown: queue.unknown,
    commands: { handled, hand: hand && { n: hand.n, commandId: hand.commandId, name: hand.name }, waiting },
    signingKey,
    trustVersion: trust.version,
    ...(known && {
      keySet: { version: known.keySet.version, exp: known.keySet.exp },
      time: known.clock.now(),
    }),
  };
}
