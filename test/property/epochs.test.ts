import fc from "fast-check";
import { expect, test } from "vitest";

import { openKeySet } from "@sealpost/protocol/documents/key-set.ts";
import { decodeJwt } from "jose";

import {
  type Epoch,
  type EpochsRecord,
  epochTimes,
  epochsRecordSchema,
  listed,
} from "../../functions/custody/epochs.ts";
import { publishKeySet } from "../../functions/key-set/sign.ts";
import { memoryStore } from "../../functions/store/memory-store.ts";
import type { Put, Store } from "../../functions/store/port.ts";
import { keySetRecordSchema } from "../../functions/store/records.ts";
import { signingKey } from "../support/keys.ts";
import { present, serviceId } from "../support/service.ts";
import { day, epochKeys, softwareWrapping } from "../support/software-epochs.ts";

/** The rules for epochs, as invariants over whatever schedulers, clocks and KMS do. */

const hour = 3_600;
const week = 7 * day;
const skew = hour - epochTimes.cacheSeconds;

type Attempt = {
  /** How long nothing happened before it. */
  readonly gap: number;
  /** Of the clock that it works by. */
  readonly offset: number;
  /** From its first read to its write. */
  readonly slow: number;
  readonly kms: boolean;
  /** Another one, with the same clock, writes between its read and its write. */
  readonly rival: boolean;
  readonly restore: boolean;
};

const attempts = (offset: fc.Arbitrary<number>, restores: boolean) =>
  fc.array(
    fc.record({
      gap: fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: 0, max: 2 * day }) },
        { weight: 3, arbitrary: fc.constantFrom(0, hour - 1, hour, day, week, week + hour, 2 * week + hour + skew) },
        { weight: 1, arbitrary: fc.integer({ min: 0, max: 60 * day }) },
      ),
      offset,
      slow: fc.constantFrom(0, 0, 0, 1, epochTimes.attemptSeconds, epochTimes.attemptSeconds + 1),
      kms: fc.boolean(),
      rival: fc.boolean(),
      restore: restores ? fc.integer({ min: 0, max: 15 }).map((n) => n === 0) : fc.constant(false),
    }),
    { minLength: 1, maxLength: 40 },
  );

type Write = { readonly list: EpochsRecord; readonly keySet: string; readonly version: number };
const uses = ["signing", "decryption"] as const;

/** A service whose every write is checked against the one before it. */
async function world(days: number) {
  const inner = memoryStore();
  const signer = await signingKey();
  const wrapping = softwareWrapping();
  const keys = epochKeys(wrapping.make, { days });
  const writes: Write[] = [];
  let generation = 1;
  let rival: (() => Promise<unknown>) | undefined;

  const written = (puts: readonly Put[]): Write => {
    expect(puts.map(({ table }) => table)).toEqual(["epochs", "trust"]);
    const { version, keySet } = keySetRecordSchema.parse(puts[1]?.item);
    return { list: epochsRecordSchema.parse(puts[0]?.item), keySet, version };
  };
  const store: Pick<Store, "read" | "write"> = {
    read: inner.read,
    async write(puts) {
      const between = rival;
      rival = undefined;
      await between?.();
      const won = await inner.write(puts);
      if (won) writes.push(written(puts));
      return won;
    },
  };

  return {
    writes,
    async attempt({ slow, kms, rival: hasRival, restore }: Attempt, clock: number) {
      if (restore) generation += 1;
      wrapping.state.down = !kms;
      const ports = { serviceId, generation, store, signer, keys };
      rival = hasRival ? () => publishKeySet(ports, () => clock).catch(() => undefined) : undefined;
      let asked = 0;
      const ticking = () => {
        asked += 1;
        return asked % 2 === 1 ? clock : clock + slow;
      };
      const before = writes.length;
      const published = await publishKeySet(ports, ticking).catch(() => undefined);
      rival = undefined;
      // Rule 2: what took longer has written nothing.
      if (slow > epochTimes.attemptSeconds) expect(published).toBeUndefined();
      for (let at = before; at < writes.length; at += 1) await follows(writes[at - 1], writes[at], clock, days);
    },
    keySetOf: ({ keySet }: Write) => openKeySet(keySet, { serviceId, keySetKeys: [signer.jwk] }),
    generation: () => generation,
  };
}

/** What one write may do to the one before it. */
async function follows(before: Write | undefined, after: Write | undefined, now: number, days: number) {
  if (!after) throw new Error("no write");
  // Rule 1: revisions and versions only rise, and list and key set are of one mind.
  expect(after.list.revision).toBeGreaterThan(before?.list.revision ?? 0);
  expect(after.version).toBeGreaterThan(before?.version ?? 0);
  const claims = decodeJwt<{ keys: { kid: string; use: string; nbf?: number; exp?: number }[] }>(after.keySet);
  for (const [use, said] of [
    ["signing", "sig"],
    ["decryption", "enc"],
  ] as const) {
    const all: readonly Epoch[] = after.list[use].epochs;
    const open = listed(all);
    const shown = claims.keys.filter((key) => key.use === said);
    expect(shown.map(({ kid }) => kid)).toEqual(open.map(({ kid }) => kid));
    // Rule 3: no `exp`, newest first, one that waits at most.
    expect(shown.filter(({ exp }) => exp !== undefined)).toEqual([]);
    const numbers = all.map(({ epoch }) => epoch);
    expect(numbers).toEqual(numbers.toSorted((a, b) => b - a));
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(shown.filter(({ nbf = 0 }) => nbf > now).map(({ nbf }) => nbf)).toEqual(
      open.filter(({ nbf }) => nbf > now).map(({ nbf }) => nbf),
    );

    const restored = before !== undefined && before.list.generation !== after.list.generation;
    const old: readonly Epoch[] = restored ? [] : (before?.list[use].epochs ?? []);
    const begun = all.filter(({ epoch }) => epoch > (before?.list[use].highest ?? 0));
    expect(begun.length).toBeLessThanOrEqual(1);
    for (const { nbf } of begun) {
      expect(nbf).toBe(listed(old).length === 0 ? now - skew : now + week + hour);
      expect(listed(old).filter((epoch) => epoch.nbf > now)).toEqual([]);
      const last = listed(old)[0];
      if (last) expect(nbf).toBeGreaterThanOrEqual(last.nbf + days * day);
    }
    // Rule 9: a restore starts one epoch, and nothing of before is left.
    if (restored) expect(all).toEqual(begun);
    for (const epoch of old) {
      const then = all.find((later) => later.epoch === epoch.epoch);
      if (epoch.eraseAt !== undefined) {
        // Rule 5: kept unchanged until then, and gone with the first step after it.
        expect(then).toEqual(now < epoch.eraseAt ? epoch : undefined);
        continue;
      }
      const replaced = listed(old).some((newer) => newer.epoch > epoch.epoch && newer.nbf + hour <= now);
      // Rule 4, and rule 5 from the latest moment at which an attempt of this moment may write.
      const eraseAt = now + epochTimes.attemptSeconds + week + week + skew;
      expect(then).toEqual(replaced ? { ...epoch, eraseAt } : epoch);
    }
  }
}

test("ok/each write follows from the one before it, whatever clocks, races, restores and KMS do", async () => {
  const wild = fc.oneof(fc.integer({ min: -skew, max: skew }), fc.integer({ min: -40 * day, max: 40 * day }));
  await fc.assert(
    fc.asyncProperty(attempts(wild, true), fc.integer({ min: 8, max: 40 }), async (schedule, days) => {
      const { attempt, writes } = await world(days);
      let time = present;
      for (const next of schedule) {
        time += next.gap;
        await attempt(next, time + next.offset);
      }
      expect(new Set(writes.map(({ list }) => list.revision)).size).toBe(writes.length);
    }),
    { numRuns: 150 },
  );
});

test("ok/with clocks that are right to the skew, nothing that may still come finds its key erased, and there is always one to sign with", async () => {
  const near = fc.integer({ min: -skew / 2, max: skew / 2 });
  await fc.assert(
    fc.asyncProperty(attempts(near, false), fc.integer({ min: 8, max: 40 }), async (schedule, days) => {
      const { attempt, writes, keySetOf } = await world(days);
      /** By key, the true time of the last write whose key set listed it. */
      const lastListed = new Map<string, number>();
      let time = present;
      for (const next of schedule) {
        time += next.gap;
        const before = writes.length;
        await attempt(next, time + next.offset);
        const last = writes.at(-1);
        if (!last) continue;
        for (const { list } of writes.slice(before)) {
          for (const { kid } of listed(list.decryption.epochs)) lastListed.set(kid, time + next.slow);
        }
        const functionClocks = [time - skew / 2, time, time + skew / 2];
        for (const [kid, at] of lastListed) {
          // A device seals by a key set for a week, and its request lives for a week.
          if (time >= at + week + week) continue;
          const epoch = last.list.decryption.epochs.find((entry) => entry.kid === kid);
          expect(epoch).toBeDefined();
          for (const now of functionClocks) expect(now).toBeLessThan(epoch?.eraseAt ?? Infinity);
        }
        const keySet = await keySetOf(last);
        for (const now of functionClocks.map((clock) => Math.max(clock, keySet.iat))) {
          expect(listed(last.list.signing.epochs).some(({ nbf }) => nbf <= now)).toBe(true);
          // What a device takes is something that every function opens.
          expect(last.list.decryption.epochs.map(({ kid }) => kid)).toContain(keySet.serverKey(now)?.kid);
        }
      }
    }),
    { numRuns: 150 },
  );
});

test.each(uses)(
  "ok/left alone with a step an hour, %s never stands still: a key for as long as was asked, and an hour",
  async (use) => {
    const { attempt, writes } = await world(8);
    for (let time = present; time < present + 60 * day; time += hour) {
      await attempt({ gap: hour, offset: 0, slow: 0, kms: true, rival: false, restore: false }, time);
    }
    const begun = new Map(
      writes.flatMap(({ list }) => list[use].epochs.map(({ epoch, nbf }) => [epoch, nbf] as const)),
    );
    const spans = [...begun.values()].slice(1).map((nbf, at) => nbf - ([...begun.values()][at] ?? 0));
    expect(spans.length).toBeGreaterThan(5);
    for (const span of spans) {
      expect(span).toBeGreaterThanOrEqual(8 * day);
      expect(span).toBeLessThanOrEqual(8 * day + hour);
    }
    // Two that are listed, one that waits at most, and those of two weeks.
    expect(Math.max(...writes.map(({ list }) => list[use].epochs.length))).toBeLessThanOrEqual(5);
  },
);
