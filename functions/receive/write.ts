import { setTimeout as sleep } from "node:timers/promises";

import { type Device, readDevice } from "../registry/device.ts";
import { Fault } from "../fault/fault.ts";
import { type Effect, fold, putsOf } from "./fold.ts";
import type { UnsealedRequest } from "./open.ts";
import type { MessagePorts } from "./ports.ts";

/** A lost race reads once more; behind this many, the device tries again later. */
const tries = 8;

/**
 * Gives messages of one device their effects, exactly once and all in one write: folds them on what was read, writes if nothing changed since, and
 * otherwise reads and folds again; whoever lost a race to the same message finds its outcome stored. What does not fit into one write waits for the next.
 * @param read the device as it was read
 * @param requests in the order in which they shall take effect
 * @param isLate whether it is too late to begin another write
 * @returns one for each. An error that is none of the message itself leaves open whether it took effect: the same message finds out.
 */
export async function write(
  ports: Pick<MessagePorts, "store" | "generation" | "exchanges">,
  read: Device,
  requests: readonly UnsealedRequest[],
  now: number,
  isLate: () => boolean,
): Promise<readonly Effect[]> {
  const { store, generation, exchanges } = ports;
  const written: Effect[] = [];
  let device: Device | undefined = read;
  let lost = 0;
  /** Of the last fold, which was not written. */
  let unwritten: readonly Effect[] = [];
  try {
    while (written.length < requests.length) {
      if (isLate()) throw new Fault("unavailable", "no time left");
      if (lost < tries) device ??= await readDevice(store, read.identity.deviceId, generation);
      if (!device) throw new Fault("throttled", "others were faster every time");
      const folded = await fold(exchanges, device, requests.slice(written.length), generation, now);
      unwritten = folded.effects;
      const puts = putsOf(folded, generation, now);
      if (puts.length === 0 || (await store.write(puts))) {
        written.push(...folded.effects);
        unwritten = [];
        lost = 0;
      } else {
        lost += 1;
        await sleep(Math.random() * 10 * 2 ** (lost - 1));
      }
      device = undefined;
    }
    return written;
  } catch (error) {
    return requests.map((_, n) => {
      const { request } = unwritten[n - written.length] ?? {};
      return written[n] ?? { ...(request ? { request } : {}), error };
    });
  }
}
