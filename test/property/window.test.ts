import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { limits } from "@sealpost/protocol/limits.ts";
import { storedRefusalCodes } from "@sealpost/protocol/messages/refusals.ts";

import { decodeWindow, digestBytes, encodeWindow } from "../../functions/registry/window-codec.ts";
import {
  type Outcome,
  type OutcomeStatus,
  type Window,
  accept,
  emptyWindow,
  isTooFarAhead,
  place,
} from "../../functions/registry/window.ts";
import { itemBytes } from "../../functions/store/item-bytes.ts";

const W = limits.window;
const digests = Array.from({ length: 3 }, (_, n) => String(n).padStart(digestBytes * 2, "0"));
const statuses: OutcomeStatus[] = ["ok", ...storedRefusalCodes];

type Message = { readonly seq: number; readonly ack: number; readonly outcome: Outcome };

/** Mostly near what was sent before, so that repeats, conflicts, gaps and the window's lower edge all happen. */
const messages = fc.array(
  fc.record({
    step: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: -3, max: 3 }) },
      { weight: 1, arbitrary: fc.integer({ min: -2 * W, max: 2 * W }) },
    ),
    behind: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 2 * W })),
    digest: fc.constantFrom(...digests),
    status: fc.constantFrom(...statuses),
    result: fc.option(fc.dictionary(fc.string(), fc.integer()), { nil: undefined }),
  }),
  { minLength: 1, maxLength: 200 },
);

function* sent(
  steps: readonly {
    step: number;
    behind: number;
    digest: string;
    status: OutcomeStatus;
    result?: object | undefined;
  }[],
): Generator<Message> {
  let at = 1;
  for (const { step, behind, digest, status, result } of steps) {
    at = Math.max(1, at + step);
    const outcome = { status, digest, ...(result ? { result: { ...result } } : {}) };
    yield { seq: at, ack: Math.max(0, at - behind), outcome };
  }
}

/** Remembers everything for ever: what the window must agree with as far as it reaches. */
class Reference {
  readonly used = new Map<number, { readonly outcome: Outcome; effects: number }>();
  high = 0;
  ack = 0;

  place(seq: number, digest: string): string {
    if (seq <= this.high - W) return "below";
    const known = this.used.get(seq);
    if (!known) return "free";
    return known.outcome.digest === digest ? "used" : "conflict";
  }

  accept({ seq, ack, outcome }: Message): void {
    const known = this.used.get(seq);
    this.used.set(seq, { outcome, effects: (known?.effects ?? 0) + 1 });
    this.high = Math.max(this.high, seq);
    this.ack = Math.max(this.ack, ack);
  }
}

function run(steps: Parameters<typeof sent>[0], look: (window: Window, reference: Reference) => void): void {
  const reference = new Reference();
  let window = emptyWindow;
  for (const message of sent(steps)) {
    const { seq, ack, outcome } = message;
    const found = place(window, seq, outcome.digest);
    expect(found.kind).toBe(reference.place(seq, outcome.digest));
    const known = found.kind === "used" ? reference.used.get(seq)?.outcome.status : undefined;
    expect(found.kind === "used" ? found.outcome.status : undefined).toBe(known);
    expect(isTooFarAhead(window, seq, ack)).toBe(seq > Math.max(reference.ack, ack) + W);
    if (found.kind === "free" && !isTooFarAhead(window, seq, ack)) {
      window = accept(window, seq, ack, outcome);
      reference.accept(message);
    }
    look(window, reference);
  }
}

describe("window", () => {
  test("ok/agrees with one that remembers everything, and no seq has two effects", () => {
    fc.assert(
      fc.property(messages, (steps) => {
        run(steps, (window, reference) => {
          expect(Math.max(0, ...[...reference.used.values()].map(({ effects }) => effects))).toBeLessThanOrEqual(1);
          expect(window.high).toBe(reference.high);
          expect(window.ack).toBe(reference.ack);
          expect(window.outcomes.size).toBeLessThanOrEqual(W);
        });
      }),
    );
  });

  test("ok/keeps exactly the outcomes of its range, and contents only until they are acknowledged", () => {
    fc.assert(
      fc.property(messages, (steps) => {
        run(steps, (window, { used, high, ack }) => {
          const kept = [...used].filter(([seq]) => seq > high - W);
          expect([...window.outcomes.keys()].toSorted((a, b) => a - b)).toEqual(
            kept.map(([seq]) => seq).toSorted((a, b) => a - b),
          );
          for (const [seq, { outcome }] of kept) {
            expect(window.outcomes.get(seq)?.result).toEqual(seq > ack ? outcome.result : undefined);
          }
        });
      }),
    );
  });

  test("ok/a stored window is the window", () => {
    fc.assert(
      fc.property(messages, (steps) => {
        run(steps, (window) => {
          const record = encodeWindow(window);
          expect(record.outcomes.length).toBeLessThanOrEqual(W * (digestBytes + 1));
          const decoded = decodeWindow({
            ...record,
            deviceId: "",
            item: "window",
            revision: 0,
            identityRevision: 0,
            status: "registered",
            generation: 1,
          });
          expect(decoded.high).toBe(window.high);
          expect(decoded.ack).toBe(window.ack);
          expect(new Map([...decoded.outcomes].toSorted())).toEqual(new Map([...window.outcomes].toSorted()));
        });
      }),
      { numRuns: 30 },
    );
  });
});

describe("size of the hot item", () => {
  const full = (high: number, results: (seq: number) => object | undefined, ack: number) => {
    let window = emptyWindow;
    for (let seq = high - W + 1; seq <= high; seq += 1) {
      const result = results(seq);
      window = accept(window, seq, Math.min(seq - 1, ack), {
        status: "ok",
        digest: "f".repeat(digestBytes * 2),
        ...(result ? { result: { ...result } } : {}),
      });
    }
    expect(window.outcomes.size).toBe(W);
    return itemBytes({
      deviceId: crypto.randomUUID(),
      item: "window",
      revision: high,
      identityRevision: high,
      status: "provisioned",
      generation: 99,
      ...encodeWindow(window),
      lastSeen: 1_999_999_999,
    });
  };
  const configuration = { configuration: { pollSeconds: 604_800 } };

  test.each([[W], [9_999_999], [Number.MAX_SAFE_INTEGER]])(
    "ok/one write unit with a full window up to seq %i, all but the newest acknowledged",
    (high) => {
      expect(full(high, (seq) => (seq === high ? configuration : {}), high - 1)).toBeLessThanOrEqual(1_024);
    },
  );

  test("ok/what is not acknowledged stays far below what an item may hold", () => {
    const offered = { target: `${"m".repeat(64)}#${"h".repeat(64)}`, counter: 999_999_999 };
    expect(full(9_999_999, () => ({ offered }), 0)).toBeLessThan(40_000);
  });
});
