import { limits } from "@sealpost/protocol/limits.ts";
import { refusals, storedRefusalCodes } from "@sealpost/protocol/messages/refusals.ts";

import { Fault } from "../fault/fault.ts";
import type { WindowRecord } from "../store/records.ts";
import type { Outcome, OutcomeStatus, Window } from "./window.ts";

/**
 * Packs a window into the hot item: 6 bytes for each seq of (high − W, high], so that a full window and its attributes stay within 1 KB, one
 * write unit. Byte 0 is the status, the rest the digest's first 40 bits: it tells a device's own messages apart after it lost its counter, and
 * no one else can choose either side.
 */

export const digestBytes = 5;
const slotBytes = 1 + digestBytes;
const empty = 0xff;

const statuses: readonly OutcomeStatus[] = ["ok", ...storedRefusalCodes];

function numberOf(status: OutcomeStatus): number {
  return status === "ok" ? 0 : refusals[status].stored;
}

export function encodeWindow(window: Window): Pick<WindowRecord, "ack" | "high" | "outcomes" | "results"> {
  const { ack, high } = window;
  const slots = Math.min(high, limits.window);
  const outcomes = new Uint8Array(slots * slotBytes).fill(empty);
  const results: WindowRecord["results"] = {};
  for (const [seq, { status, digest, result }] of window.outcomes) {
    const at = (seq - (high - slots) - 1) * slotBytes;
    outcomes[at] = numberOf(status);
    outcomes.set(Buffer.from(digest, "hex"), at + 1);
    if (result) results[seq] = { ...result };
  }
  return { ack, high, outcomes, results };
}

export function decodeWindow({ ack, high, outcomes, results }: WindowRecord): Window {
  const decoded = new Map<number, Outcome>();
  const slots = outcomes.length / slotBytes;
  for (let slot = 0; slot < slots; slot += 1) {
    const bytes = outcomes.subarray(slot * slotBytes, (slot + 1) * slotBytes);
    if (bytes[0] === empty) continue;
    const seq = high - slots + slot + 1;
    const status = statuses.find((name) => numberOf(name) === bytes[0]);
    if (!status) throw new Fault("unavailable", "stored outcome has an unknown status");
    const digest = Buffer.from(bytes.subarray(1)).toString("hex");
    const result = results[seq];
    decoded.set(seq, { status, digest, ...(result ? { result } : {}) });
  }
  return { ack, high, outcomes: decoded };
}
