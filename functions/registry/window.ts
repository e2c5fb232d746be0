import { limits } from "@sealpost/protocol/limits.ts";
import type { StoredRefusalCode } from "@sealpost/protocol/messages/refusals.ts";

/** The sequence window of a device: exactly once by `seq`, without clocks. The rules are docs/protocol.md, "Delivery". */

export type OutcomeStatus = "ok" | StoredRefusalCode;

/** What became of one message, kept as long as its seq is in the window. */
export type Outcome = {
  readonly status: OutcomeStatus;
  /** `messageDigest` of the message that used the seq. */
  readonly digest: string;
  /** What the reply's body is made from; freed once the device acknowledges. */
  readonly result?: Result;
};
export type Result = { readonly [member: string]: unknown };

export type Window = {
  /** The highest `ack` that an accepted message carried. */
  readonly ack: number;
  /** The highest accepted `seq`. */
  readonly high: number;
  /** Outcomes of seqs in (high − W, high]. */
  readonly outcomes: ReadonlyMap<number, Outcome>;
};

export const emptyWindow: Window = { ack: 0, high: 0, outcomes: new Map() };

export type Place =
  | { readonly kind: "below" }
  | { readonly kind: "used"; readonly outcome: Outcome }
  | { readonly kind: "conflict" }
  | { readonly kind: "free" };

/** Where a message falls. A message is the same one if seq and digest are. */
export function place(window: Window, seq: number, digest: string): Place {
  if (seq <= lowest(window.high)) return { kind: "below" };
  const outcome = window.outcomes.get(seq);
  if (!outcome) return { kind: "free" };
  return outcome.digest === digest ? { kind: "used", outcome } : { kind: "conflict" };
}

export function isTooFarAhead(window: Window, seq: number, ack: number): boolean {
  return seq > Math.max(window.ack, ack) + limits.window;
}

/** The window after a first acceptance: the one place where `ack` is applied, seqs leave it and results are freed. */
export function accept(window: Window, seq: number, ack: number, outcome: Outcome): Window {
  const high = Math.max(window.high, seq);
  const acknowledged = Math.max(window.ack, ack);
  const outcomes = new Map<number, Outcome>();
  for (const [at, { result, ...kept }] of [...window.outcomes, [seq, outcome] as const]) {
    if (at <= lowest(high)) continue;
    outcomes.set(at, at > acknowledged && result ? { ...kept, result } : kept);
  }
  return { ack: acknowledged, high, outcomes };
}

function lowest(high: number): number {
  return Math.max(0, high - limits.window);
}
