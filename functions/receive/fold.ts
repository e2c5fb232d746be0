import { type TokenError, isTokenError } from "@sealpost/protocol/token/token-error.ts";

import type { ServedExchanges } from "../exchanges/exchange.ts";
import { type Device, devicePuts } from "../registry/device.ts";
import type { DeviceEvent } from "../registry/events.ts";
import type { AcceptedReadings } from "../registry/readings.ts";
import { deviceTarget } from "../registry/journal.ts";
import type { Put } from "../store/port.ts";
import { type Decided, type Said, apply, presentDevice } from "./apply.ts";
import { type Verdict, judge } from "./judge.ts";
import { type VerifiedRequest, reopenRequest } from "./open.ts";

/** What a message of a fold came to: what to say, of the device as it was right after it; or that its key had ended by then. */
export type Effect = { readonly said: Said; readonly device: Device } | { readonly error: TokenError };

/** Messages of one device in their order, each on the state that its predecessor left. */
export type Folded = {
  readonly before: Device;
  /** The very same as `before` where nothing is to be written. */
  readonly after: Device;
  readonly events: readonly DeviceEvent[];
  /** What the messages measured, in order. */
  readonly readings: readonly AcceptedReadings[];
  /** One for each message. */
  readonly effects: readonly Effect[];
};

/**
 * Judges and applies messages of one device, one after another; writes nothing.
 * @param device as it was read
 * @param now Unix seconds
 * @throws Fault if what an exchange asks outside does not answer
 */
export async function fold(
  exchanges: ServedExchanges,
  device: Device,
  requests: readonly VerifiedRequest[],
  now: number,
): Promise<Folded> {
  let after = device;
  const events: DeviceEvent[] = [];
  const readings: AcceptedReadings[] = [];
  const effects: Effect[] = [];
  for (const opened of requests) {
    const request = await onState(opened, after);
    if ("error" in request) {
      effects.push(request);
      continue;
    }
    const step = apply(request, await decide(request, judge(exchanges, request, now), now), now);
    after = step.device;
    events.push(...step.events);
    if (step.readings) readings.push(step.readings);
    effects.push({ said: step.said, device: after });
  }
  return { before: device, after, events, readings, effects };
}

/**
 * The one write of a fold; no puts: it changes nothing.
 * @param generation the key generation that this function works under
 */
export function putsOf({ before, after, events, readings }: Folded, generation: number, now: number): Put[] {
  if (after === before) return [];
  const readopted: DeviceEvent[] =
    before.stored.window === undefined ? [{ action: "device.readopted", detail: {} }] : [];
  const actor = deviceTarget(before.identity.deviceId);
  const happened = { events: [...readopted, ...events], actor, time: now };
  return devicePuts(before, after, generation, happened, readings);
}

/** The message as it stands to this state of its device, in which its key may have ended. */
async function onState(
  opened: VerifiedRequest,
  device: Device,
): Promise<VerifiedRequest | { readonly error: TokenError }> {
  if (opened.device === device) return opened;
  try {
    return await reopenRequest(opened, device);
  } catch (error) {
    if (isTokenError(error)) return { error };
    throw error;
  }
}

/** The one step that may ask outside: an exchange gathers what it decides on. */
async function decide(request: VerifiedRequest, verdict: Verdict, now: number): Promise<Decided> {
  if (verdict.kind !== "execute") return verdict;
  const { exchange, body, at } = verdict;
  const circumstances = { device: presentDevice(request), keys: request.keys, seq: at.seq, now };
  return { kind: "executed", decision: await exchange.decide(body, circumstances), acts: exchange.acts, at };
}
