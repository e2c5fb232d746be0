import type { ServedExchanges } from "../exchanges/exchange.ts";
import { type Device, devicePuts } from "../registry/device.ts";
import type { DeviceEvent } from "../registry/events.ts";
import type { AcceptedReadings } from "../registry/readings.ts";
import { deviceTarget } from "../registry/journal.ts";
import { itemBytes } from "../store/item-bytes.ts";
import { type Put, pathOf } from "../store/port.ts";
import { type Decided, type Said, apply, presentDevice } from "./apply.ts";
import { type Verdict, judge } from "./judge.ts";
import { type UnsealedRequest, type VerifiedRequest, verifyRequest } from "./open.ts";

/** What a message of a fold came to: what to say, of the device as it was right after it; or why there is nothing of it to say. */
export type Effect =
  | { readonly request: VerifiedRequest; readonly said: Said; readonly device: Device }
  /** `request` is absent where the sender is not proven. */
  | { readonly request?: VerifiedRequest; readonly error: unknown; readonly said?: never };

/** Messages of one device in their order, each on the state that its predecessor left. */
export type Folded = {
  readonly before: Device;
  /** The very same as `before` where nothing is to be written. */
  readonly after: Device;
  readonly events: readonly DeviceEvent[];
  /** Of items beside the device's own. */
  readonly puts: readonly Put[];
  /** What the messages measured, in order. */
  readonly readings: readonly AcceptedReadings[];
  /** One for each message, up to the one that does not fit into the same write. */
  readonly effects: readonly Effect[];
};

/** What one write may be: below what DynamoDB takes in one, since sizes are estimated from above. */
const mostOfAWrite = { items: 100, bytes: 3_500_000, itemBytes: 350_000 } as const;

/**
 * Judges and applies messages of one device, one after another; writes nothing. What goes wrong stays in its place and changes nothing.
 * @param device as it was read
 * @param generation the key generation that this function works under
 * @param now Unix seconds
 */
export async function fold(
  exchanges: ServedExchanges,
  device: Device,
  requests: readonly UnsealedRequest[],
  generation: number,
  now: number,
): Promise<Folded> {
  let folded: Omit<Folded, "effects"> = { before: device, after: device, events: [], puts: [], readings: [] };
  const effects: Effect[] = [];
  for (const unsealed of requests) {
    let request: VerifiedRequest | undefined;
    try {
      request = await verifyRequest(unsealed, folded.after);
      const step = apply(request, await decide(request, judge(exchanges, request, now), now), now);
      const next = {
        before: device,
        after: step.device,
        events: [...folded.events, ...step.events],
        puts: [...folded.puts, ...step.puts],
        readings: step.readings ? [...folded.readings, step.readings] : folded.readings,
      };
      if (effects.length > 0 && step.device !== folded.after && !isOneWrite(next, generation, now)) break;
      folded = next;
      effects.push({ request, said: step.said, device: step.device });
    } catch (error) {
      effects.push({ ...(request ? { request } : {}), error });
    }
  }
  return { ...folded, effects };
}

/**
 * The one write of a fold; no puts: it changes nothing.
 * @param generation the key generation that this function works under
 */
export function putsOf(
  { before, after, events, puts, readings }: Omit<Folded, "effects">,
  generation: number,
  now: number,
): Put[] {
  if (after === before) return [];
  const readopted: DeviceEvent[] =
    before.stored.window === undefined ? [{ action: "device.readopted", detail: {} }] : [];
  const actor = deviceTarget(before.identity.deviceId);
  const happened = { events: [...readopted, ...events], puts, actor, time: now };
  return devicePuts(before, after, generation, happened, readings);
}

function isOneWrite(folded: Omit<Folded, "effects">, generation: number, now: number): boolean {
  // Readings are deflated for the item; of what they are made of it is not worth knowing how far.
  const puts = putsOf({ ...folded, readings: [] }, generation, now);
  const readings = folded.readings.reduce((sum, accepted) => sum + itemBytes(accepted), 0);
  const sizes = puts.map(({ item }) => itemBytes(item) + (item["item"] === "window" ? readings : 0));
  const keys = new Set(puts.map(({ table, item }) => pathOf({ table, key: item })));
  return (
    keys.size === puts.length &&
    puts.length <= mostOfAWrite.items &&
    sizes.every((bytes) => bytes <= mostOfAWrite.itemBytes) &&
    sizes.reduce((sum, bytes) => sum + bytes, 0) <= mostOfAWrite.bytes
  );
}

/** The one step that may ask outside: an exchange gathers what it decides on. */
async function decide(request: VerifiedRequest, verdict: Verdict, now: number): Promise<Decided> {
  if (verdict.kind !== "execute") return verdict;
  const { exchange, body, at } = verdict;
  const circumstances = { device: presentDevice(request), keys: request.keys, seq: at.seq, now };
  return { kind: "executed", decision: await exchange.decide(body, circumstances), acts: exchange.acts, at };
}
