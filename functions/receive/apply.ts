import type { Refusal, StoredRefusal } from "@sealpost/protocol/messages/refusals.ts";

import type { Decision } from "../exchanges/exchange.ts";
import { pay } from "../registry/budget.ts";
import type { Device } from "../registry/device.ts";
import type { DeviceEvent } from "../registry/events.ts";
import type { AcceptedReadings } from "../registry/readings.ts";
import { settleKeys } from "../registry/key-ring.ts";
import { type Outcome, accept } from "../registry/window.ts";
import type { Put } from "../store/port.ts";
import type { Place, Verdict } from "./judge.ts";
import type { VerifiedRequest } from "./open.ts";

/** A verdict with which all that had to be asked outside has been asked. */
export type Decided =
  | Exclude<Verdict, { readonly kind: "execute" }>
  | { readonly kind: "executed"; readonly decision: Decision; readonly acts: number; readonly at: Place };

/** What a message comes to, before anything is written. */
export type Step = {
  /** The device as the message leaves it; the very same where it changes nothing. */
  readonly device: Device;
  /** What happened to the device, in order. */
  readonly events: readonly DeviceEvent[];
  /** Of items beside the device's own. */
  readonly puts: readonly Put[];
  /** What the device measured. */
  readonly readings?: AcceptedReadings;
  readonly said: Said;
};
export type Said =
  | { readonly refusal: Refusal }
  /** `result` is absent once it was acknowledged. */
  | { readonly outcome: Pick<Outcome, "status" | "result"> };

/** The device that the exchanges see: any authentic message under the new keys ends the old ones. */
export function presentDevice({ device, endsRenewal, keys }: VerifiedRequest): Device {
  return endsRenewal ? { ...device, identity: settleKeys(device.identity, keys) } : device;
}

/**
 * What a decided message does to its device.
 * @param now Unix seconds
 */
export function apply(request: VerifiedRequest, decided: Decided, now: number): Step {
  const before = request.device;
  const device = presentDevice(request);
  const ended: readonly DeviceEvent[] = request.endsRenewal
    ? [{ action: "device.renewal-ended", detail: { seq: before.identity.renewalSeq } }]
    : [];
  switch (decided.kind) {
    case "repeat":
    case "refuse": {
      // What changes nothing else may still end a renewal; it does not bring back a device that a restore lost.
      const settles = request.endsRenewal && before.stored.window !== undefined;
      const said = decided.kind === "repeat" ? { outcome: decided.outcome } : { refusal: decided.refusal };
      return settles ? { device, events: ended, puts: [], said } : { device: before, events: [], puts: [], said };
    }
    case "settle": {
      const after = { ...device, window: usedUp(device, decided.at, storedRefusal(decided.refusal)), lastSeen: now };
      return { device: after, events: ended, puts: [], said: { refusal: decided.refusal } };
    }
    case "executed": {
      const { decision, acts, at } = decided;
      if ("refusal" in decision) return apply(request, { kind: "settle", refusal: decision.refusal, at }, now);
      const { result, event, device: change, commands: given, readings } = decision.effect;
      const outcome = { status: "ok", result } as const;
      const paid = event ? { paidUntil: pay(before.paidUntil, acts, now) } : {};
      const commands = given ? { commands: given.commands } : {};
      const after = { ...device, ...change, ...commands, ...paid, window: usedUp(device, at, outcome), lastSeen: now };
      const { serialNumber } = device.identity;
      return {
        device: after,
        events: [...ended, ...(event ? [event] : []), ...(given?.events ?? [])],
        puts: given?.puts ?? [],
        ...(readings ? { readings: { seq: at.seq, time: now, serialNumber, ...readings } } : {}),
        said: { outcome },
      };
    }
  }
}

function usedUp({ window }: Device, { seq, ack, digest }: Place, outcome: Pick<Outcome, "status" | "result">) {
  return accept(window, seq, ack, { ...outcome, digest });
}

/** A refusal as it is stored: the code, and the field if there is one. */
function storedRefusal({ code, field }: StoredRefusal): Pick<Outcome, "status" | "result"> {
  return { status: code, result: field === undefined ? {} : { field } };
}
