import { setTimeout as sleep } from "node:timers/promises";

import { readDevice } from "../registry/device.ts";
import { type Effect, fold, putsOf } from "./fold.ts";
import type { VerifiedRequest } from "./open.ts";
import type { MessagePorts } from "./ports.ts";

/** A lost race reads once more; behind this many, the device tries again later. */
const tries = 8;

/**
 * Gives verified messages of one device their effects, exactly once and all in one write: folds them on what was read, writes if nothing changed
 * since, and otherwise reads and folds again; whoever lost a race to the same message finds its outcome stored.
 * @param requests at least one, in the order in which they shall take effect, opened on the same read of the device
 * @returns one for each: `throttled` where others were faster every time and nothing was written
 * @throws Fault if the store or the custody does not answer; nothing was written, or the same message finds what was
 */
export async function write(
  ports: Pick<MessagePorts, "store" | "generation" | "exchanges">,
  requests: readonly [VerifiedRequest, ...VerifiedRequest[]],
  now: number,
): Promise<readonly Effect[]> {
  const { store, generation, exchanges } = ports;
  let { device } = requests[0];
  for (let attempt = 0; attempt < tries; attempt += 1) {
    const folded = await fold(exchanges, device, requests, now);
    const puts = putsOf(folded, generation, now);
    if (puts.length === 0 || (await store.write(puts))) return folded.effects;
    await sleep(Math.random() * 10 * 2 ** attempt);
    const present = await readDevice(store, device.identity.deviceId, generation);
    if (!present) break;
    device = present;
  }
  return requests.map(() => ({ said: { refusal: { code: "throttled" } }, device }));
}
