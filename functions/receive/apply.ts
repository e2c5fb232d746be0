import type { Refusal, StoredRefusal } from "@sealpost/protocol/messages/refusals.ts";

import type { Decision } from "../exchanges/exchange.ts";
import { pay } from "../registry/budget.ts";
import { type Device, devicePuts } from "../registry/device.ts";
import type { DeviceEvent } from "../registry/events.ts";
import { deviceTarget } from "../registry/journal.ts";
import { settleKeys } from "../registry/key-ring.ts";
import { type Outcome, accept } from "../registry/window.ts";
import type { Put } from "../store/port.ts";
import type { Place, Verdict } from "./judge.ts";
import type { VerifiedRequest } from "./open.ts";

/** A verdict with which all that had to be asked outside has been asked. */
export type Decided =
  | Exclude<Verdict, { readonly kind: "execute" }>
  | { readonly kind: "executed"; readonly decision: Decision; readonly acts: number; readonly at: Place };

/** What to write, and what to say once it is written. */
export type Step = {
  readonly puts: readonly Put[];
  /** The device as it is then. */
  readonly device: Device;
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
 * @param generation the key generation that this function works under
 * @param now Unix seconds
 */
export function apply(request: VerifiedRequest, decided: Decided, generation: number, now: number): Step {
  const before = request.device;
  const device = presentDevice(request);
  const turns = turnsOf(request);
  const actor = deviceTarget(before.identity.deviceId);
  const to = (after: Device, events: readonly DeviceEvent[]) =>
    devicePuts(before, after, generation, { events, actor, time: now });
  switch (decided.kind) {
    case "repeat":
    case "refuse": {
      // What changes nothing else may still end a renewal.
      const settles = request.endsRenewal && before.stored.window !== undefined;
      const said = decided.kind === "repeat" ? { outcome: decided.outcome } : { refusal: decided.refusal };
      return { puts: settles ? to(device, turns) : [], device, said };
    }
    case "settle": {
      const after = { ...device, window: usedUp(device, decided.at, storedRefusal(decided.refusal)), lastSeen: now };
      return { puts: to(after, turns), device: after, said: { refusal: decided.refusal } };
    }
    case "executed": {
      const { decision, acts, at } = decided;
      if ("refusal" in decision)
        return apply(request, { kind: "settle", refusal: decision.refusal, at }, generation, now);
      const { result, event, device: change } = decision.effect;
      const outcome = { status: "ok", result } as const;
      const paid = event ? { paidUntil: pay(before.paidUntil, acts, now) } : {};
      const after = { ...device, ...change, ...paid, window: usedUp(device, at, outcome), lastSeen: now };
      return { puts: to(after, event ? [...turns, event] : turns), device: after, said: { outcome } };
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

/** Turns in a device's life that a message brings about whatever it says: its re-adoption, the end of the keys before a renewal. */
function turnsOf({ endsRenewal, device: { stored, identity } }: VerifiedRequest): DeviceEvent[] {
  const readopted: DeviceEvent[] = stored.window === undefined ? [{ action: "device.readopted", detail: {} }] : [];
  const ended: DeviceEvent[] = endsRenewal
    ? [{ action: "device.renewal-ended", detail: { seq: identity.renewalSeq } }]
    : [];
  return [...readopted, ...ended];
}
