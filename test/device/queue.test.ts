import fc from "fast-check";
import { expect, test } from "vitest";

import { limits } from "@sealpost/protocol/limits.ts";

import { acknowledged, allocate, emptyQueue, park, resolve, skipTo } from "../../device/delivery/queue.ts";
import type { Queue } from "../../device/state/state.ts";

const message = { jti: "j".repeat(22), operation: "register", body: {} };
type Step = { readonly kind: "allocate" | "resolve" | "park" | "skip"; readonly pick: number };
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("allocate", "allocate", "allocate", "resolve", "park", "skip"),
  pick: fc.nat(300),
});

function take({ queue, used }: { queue: Queue; used: number[] }, { kind, pick }: Step) {
  if (kind === "allocate") {
    const taken = allocate(queue, message);
    return taken ? { queue: taken.queue, used: [...used, taken.seq] } : { queue, used };
  }
  const seq = queue.pending[pick % Math.max(1, queue.pending.length)]?.seq ?? pick;
  if (kind === "resolve") return { queue: resolve(queue, seq), used };
  if (kind === "park") return { queue: park(queue, seq, "below-window"), used };
  return { queue: skipTo(queue, pick), used };
}

test("ok/any history: numbers are unique and grow, ack is below every pending one, the window holds", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      let now = { queue: emptyQueue, used: [] as number[] };
      for (const one of steps) {
        const before = now;
        now = take(now, one);
        const { queue, used } = now;
        const seqs = queue.pending.map(({ seq }) => seq);
        expect(new Set(used).size).toBe(used.length);
        expect(used.toSorted((a, b) => a - b)).toEqual(used);
        expect(queue.next).toBeGreaterThanOrEqual(before.queue.next);
        const ack = acknowledged(queue);
        expect(ack).toBe(seqs.length === 0 ? queue.next - 1 : Math.min(...seqs) - 1);
        // A number that was taken and is neither pending nor parked was resolved; ack never passes a pending one.
        for (const seq of seqs) expect(seq).toBeGreaterThan(ack);
        const taken = used.length > before.used.length ? (used.at(-1) ?? 0) : 0;
        expect(taken).toBeLessThan((seqs[0] ?? taken) + limits.window);
      }
    }),
  );
});

test("fails/the window is full: no number is taken until the oldest is resolved", () => {
  let queue: Queue = emptyQueue;
  for (let count = 0; count < limits.window; count += 1) queue = allocate(queue, message)?.queue ?? queue;
  expect(queue.next).toBe(limits.window + 1);
  expect(allocate(queue, message)).toBeNull();
  expect(allocate(resolve(queue, 2), message)).toBeNull();
  expect(allocate(resolve(queue, 1), message)?.seq).toBe(limits.window + 1);
});

test("ok/what is parked is listed and acknowledged", () => {
  const queue = allocate(emptyQueue, message)?.queue ?? emptyQueue;
  const parked = park(queue, 1, "revoked");
  expect(parked).toMatchObject({ pending: [], unknown: [{ seq: 1, operation: "register", why: "revoked" }] });
  expect(acknowledged(parked)).toBe(1);
});
