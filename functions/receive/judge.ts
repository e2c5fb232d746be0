import { limits } from "@sealpost/protocol/limits.ts";
import { deregistration } from "@sealpost/protocol/exchanges/deregistration.ts";
import { isOperation } from "@sealpost/protocol/exchanges/exchanges.ts";
import type { Refusal, StoredRefusal } from "@sealpost/protocol/messages/refusals.ts";
import type { RequestClaims } from "@sealpost/protocol/messages/request.ts";

import type { ServedExchange, ServedExchanges } from "../exchanges/exchange.ts";
import { isAffordable } from "../registry/budget.ts";
import { endings, isLiving } from "../registry/status.ts";
import { type Outcome, isTooFarAhead, place } from "../registry/window.ts";
import type { VerifiedRequest } from "./open.ts";

/** A message's place in its device's order, and what identifies it there. */
export type Place = { readonly seq: number; readonly ack: number; readonly digest: string };

/** What is to be done with a verified message, before any exchange looks at it. */
export type Verdict =
  /** Tell what is stored. */
  | { readonly kind: "repeat"; readonly outcome: Pick<Outcome, "status" | "result"> }
  /** Refuse, and use up nothing: the same message may come again, or never has an effect. */
  | { readonly kind: "refuse"; readonly refusal: Refusal }
  /** Refuse for good: the seq is used up. */
  | { readonly kind: "settle"; readonly refusal: StoredRefusal; readonly at: Place }
  | { readonly kind: "execute"; readonly exchange: ServedExchange; readonly body: unknown; readonly at: Place };

/**
 * The order of delivery rule 4: below the window, seq used, status, ack + W, time, execute; the device's budget
 * is a matter of time. A tombstone answers a `deregister` before all of
 * them (rule 13).
 * @param now Unix seconds
 */
export function judge(exchanges: ServedExchanges, { message, device }: VerifiedRequest, now: number): Verdict {
  const { status, window } = device;
  if (message.kind === "claims" && status === "deregistered" && message.claims.operation === deregistration.operation) {
    return { kind: "repeat", outcome: { status: "ok", result: {} } };
  }
  const at: Place | undefined =
    message.kind === "claims" ? { ...message.claims, digest: message.digest } : message.place;
  if (!at) return { kind: "refuse", refusal: { code: "malformed", ...defectOf(message) } };

  const found = place(window, at.seq, at.digest);
  if (found.kind === "below") return { kind: "refuse", refusal: { code: "below-window", highest: window.high } };
  if (found.kind === "conflict") return { kind: "refuse", refusal: { code: "conflict", highest: window.high } };
  if (found.kind === "used") return { kind: "repeat", outcome: found.outcome };
  const tooFarAhead = isTooFarAhead(window, at.seq, at.ack);
  // Told at any seq; but what lies too far ahead does not move the window.
  if (!isLiving(status)) return { kind: tooFarAhead ? "refuse" : "settle", refusal: { code: endings[status] }, at };
  if (tooFarAhead) return { kind: "refuse", refusal: { code: "too-far-ahead" } };
  if (message.kind === "defect") return { kind: "settle", refusal: { code: "malformed", ...defectOf(message) }, at };

  const { operation, body } = message.claims;
  if (!isTimely(message.claims, now)) return { kind: "refuse", refusal: { code: "clock", time: now } };
  if (!isOperation(operation)) {
    return { kind: "settle", refusal: { code: "unsupported-operation", field: "operation" }, at };
  }
  const exchange = exchanges[operation];
  if (!exchange.runsIn[status]) return { kind: "settle", refusal: { code: "not-registered" }, at };
  // Before anything is signed or read for it.
  if (!isAffordable(device.paidUntil, exchange.acts, now)) return { kind: "refuse", refusal: { code: "throttled" } };
  return { kind: "execute", exchange, body, at };
}

function defectOf(message: VerifiedRequest["message"]): { field?: string } {
  return message.kind === "defect" ? { field: message.field } : {};
}

/** The device's word for when the message was made, and for how long it wants it to be believed, within limits. */
function isTimely({ iat, exp }: RequestClaims, now: number): boolean {
  return iat <= now + limits.clockSkewSeconds && now < exp;
}
