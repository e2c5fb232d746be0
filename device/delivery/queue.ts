import { limits } from "@sealpost/protocol/limits.ts";
import { encodeBase64url } from "@sealpost/protocol/token/strict.ts";

import type { Pending, Queue } from "../state/state.ts";

/**
 * The delivery rules that concern numbers, as pure functions. The queue is part of the one state document, so a number is taken and its
 * message stored in the same atomic write: the block reservation that rule 1 asks of stores with separate writes has nothing left to protect,
 * and no number is ever burnt.
 */
export const emptyQueue: Queue = { next: 1, pending: [], unknown: [] };

export function newJti(): string {
  return encodeBase64url(crypto.getRandomValues(new Uint8Array(12)));
}

/**
 * Takes the next number for a message (rule 1).
 * @returns null when that number would run further ahead of the oldest unresolved one than the window allows (rule 2)
 */
export function allocate(queue: Queue, message: Omit<Pending, "seq">): { queue: Queue; seq: number } | null {
  const seq = queue.next;
  const oldest = queue.pending[0]?.seq ?? seq;
  if (seq >= oldest + limits.window) return null;
  return { seq, queue: { ...queue, next: seq + 1, pending: [...queue.pending, { ...message, seq }] } };
}

/** The mandatory acknowledgement (rule 5): everything up to here is resolved. */
export function acknowledged(queue: Queue): number {
  return (queue.pending[0]?.seq ?? queue.next) - 1;
}

/** An authentic outcome came: the number is used up (rules 6 and 7). */
export function resolve(queue: Queue, seq: number): Queue {
  return { ...queue, pending: queue.pending.filter((message) => message.seq !== seq) };
}

/** Nobody can say any more whether the message took effect: it is set aside and reported (rules 7 and 8). */
export function park(queue: Queue, seq: number, why: Queue["unknown"][number]["why"]): Queue {
  const message = queue.pending.find((pending) => pending.seq === seq);
  if (!message) return queue;
  const { operation } = message;
  return { ...resolve(queue, seq), unknown: [...queue.unknown, { seq, operation, why }] };
}

/**
 * The message gives its place to another with the same body, behind all others. It is sent as the oldest alone, so it need not wait for the
 * window.
 */
export function queueAgain(queue: Queue, seq: number, jti: string): Queue {
  const message = queue.pending.find((pending) => pending.seq === seq);
  if (!message) return queue;
  const { operation, body } = message;
  const { next, pending } = resolve(queue, seq);
  return { ...queue, next: next + 1, pending: [...pending, { seq: next, jti, operation, body }] };
}

/** The service has seen higher numbers than this device remembers: go on above them (rule 7). */
export function skipTo(queue: Queue, highest: number): Queue {
  return { ...queue, next: Math.max(queue.next, highest + 1) };
}
