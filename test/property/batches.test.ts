import fc from "fast-check";
import { expect, test } from "vitest";

import type { ServerKeys } from "../../functions/custody/port.ts";
import { type Answered, answerMessage, answerMessages } from "../../functions/receive/answer.ts";
import { decodeReadings } from "../../functions/registry/readings.ts";
import { memoryStore } from "../../functions/store/memory-store.ts";
import type { Put, Store } from "../../functions/store/port.ts";
import { rawDevice, registration } from "../support/raw-device.ts";
import { present, startService } from "../support/service.ts";
import { type Claims, type Speaker, journalOf, newKeys, revoke, speaker, stored } from "../unit/speaker.ts";

/** A store that is exchanged behind whoever holds it, and copies of it from all that was ever written. */
function exchangeable() {
  let current = memoryStore();
  const written: (readonly Put[])[] = [];
  const store: Store = {
    read: (keys) => current.read(keys),
    list: (request) => current.list(request),
    async write(puts) {
      const done = await current.write(puts);
      if (done) written.push(puts);
      return done;
    },
  };
  /** @returns what was written in it by the work, in order */
  const inCopyOf = async (before: readonly (readonly Put[])[], work: () => Promise<void>) => {
    current = memoryStore();
    for (const puts of before) await current.write(puts);
    const from = written.length;
    await work();
    return written.slice(from);
  };
  return { store, written, inCopyOf };
}

const kinds = ["register", "readings", "check", "renew", "deregister", "unknown", "malformed", "twin", "bad"] as const;
const steps = fc.array(
  fc.record({
    device: fc.nat({ max: 3 }),
    kind: fc.constantFrom(...kinds, "readings", "register"),
    seq: fc.integer({ min: 1, max: 7 }),
    back: fc.integer({ min: 1, max: 3 }),
    renewed: fc.boolean(),
    /** Whether a batch ends behind it. */
    ends: fc.boolean(),
  }),
  { minLength: 2, maxLength: 14 },
);

/** What is made anew each time: what signs it or names it is random. */
const fresh = new Set(["certificate", "receipt"]);
const settled = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (name, member) => (fresh.has(name) ? "fresh" : member)));

test("ok/messages in batches come to what they come to one by one: outcomes, replies, devices, journal, readings", async () => {
  const { store, written, inCopyOf } = exchangeable();
  const service = await startService(store);
  const keys: ServerKeys = service.messages.serverKeys;
  const speakers = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const raw = await rawDevice(service);
      const next = await newKeys();
      const old = await speaker(service, raw.deviceId, { signing: raw.signer, encryption: raw.encryption });
      return { old, next: await speaker(service, raw.deviceId, next), renewal: await old.renewal(next) };
    }),
  );
  const [, registered, , revoked] = speakers;
  if (!registered || !revoked) throw new Error("devices");
  for (const { old } of [registered, revoked])
    await old.exchange(old.claims("register", registration, { seq: 1, ack: 0 }));
  await revoke(service, revoked.old.deviceId);
  const before = [...written];
  const ports = { ...service.messages, serverKeys: keys };

  let nth = 0;
  type Sent = { readonly by: Speaker; readonly claims: Claims };
  type Token = { readonly by?: Speaker; readonly token: string; readonly jws: string };
  const claimsOf = (step: { kind: (typeof kinds)[number]; seq: number; back: number }, by: Speaker, body: object) => {
    const place = { seq: step.seq, ack: Math.max(0, step.seq - step.back) };
    const record = { time: present - 5, value: (nth += 1) };
    switch (step.kind) {
      case "register":
        return by.claims("register", { ...registration, model: `model-${step.back}` }, place);
      case "readings":
        return by.claims("readings", { stream: "energy", records: [record] }, place);
      case "check":
        return by.claims("firmware.check", { firmware: registration.firmware }, place);
      case "renew":
        return by.claims("renew", body, place);
      case "deregister":
        return by.claims("deregister", {}, place);
      case "malformed":
        return by.claims("readings", { stream: "" }, place);
      default:
        return by.claims("later.than-this", {}, place);
    }
  };
  const say = async ({ kind, device, renewed, ...step }: FcStep, former: Sent[]): Promise<Token> => {
    const { old, next, renewal } = speakers[device] ?? registered;
    if (kind === "bad") return { token: ["", "a.b.c.d.e", "nonsense\r"][step.back - 1] ?? "", jws: "" };
    const same = kind === "twin" ? former.at(-step.back) : undefined;
    const by = same?.by ?? (renewed ? next : old);
    const claims = same?.claims ?? claimsOf({ kind, ...step }, by, renewal);
    former.push({ by, claims });
    return { by, ...(await by.seal(claims)) };
  };
  const told = async (answered: Answered, { by, jws }: Token) => {
    if (answered.kind === "problem") return [answered.body, answered.log];
    return [settled((({ status, body }) => ({ status, body }))(await open(by ?? registered.old, answered.token, jws)))];
  };
  const open = async (by: Speaker, token: string, jws: string) => by.open(token, jws);
  const seen = async (writes: readonly (readonly Put[])[]) => {
    const devices = await Promise.all(
      speakers.map(async ({ old: { deviceId } }) => {
        const { identity, stored: _, window, ...device } = await stored(service, deviceId);
        const { revision: __, ...kept } = identity;
        const journal = (await journalOf(service, deviceId)).map(({ action, actor, time, detail }) => ({
          action,
          actor,
          time,
          detail,
        }));
        const ofIt = writes.flat().filter(({ item }) => item["deviceId"] === deviceId);
        const readings = ofIt.flatMap(({ item }) =>
          item["readings"] instanceof Uint8Array ? decodeReadings(item["readings"]) : [],
        );
        const outcomes = [...window.outcomes].toSorted(([a], [b]) => a - b);
        return { ...device, window: { ...window, outcomes }, identity: kept, journal, readings };
      }),
    );
    return settled(devices);
  };

  await fc.assert(
    fc.asyncProperty(steps, async (given) => {
      const former: Sent[] = [];
      const tokens: Token[] = [];
      for (const step of given) tokens.push(await say(step, former));
      const [alone, together]: [unknown[], unknown[]] = [[], []];
      const states: unknown[] = [];
      const singles = await inCopyOf(before, async () => {
        for (const sent of tokens) alone.push(await told(await answerMessage(ports, sent.token, present), sent));
      });
      states.push(await seen(singles));
      const batches = await inCopyOf(before, async () => {
        let batch: Token[] = [];
        for (const [place, sent] of tokens.entries()) {
          batch.push(sent);
          if (!given[place]?.ends && place < tokens.length - 1) continue;
          const texts = batch.map(({ token }) => token);
          const answers = await answerMessages(ports, texts, present, () => false);
          for (const [n, answered] of answers.entries())
            together.push(await told(answered, batch[n] ?? { token: "", jws: "" }));
          batch = [];
        }
      });
      states.push(await seen(batches));
      expect(together).toEqual(alone);
      expect(states[1]).toEqual(states[0]);
      expect(batches.length).toBeLessThanOrEqual(singles.length);
    }),
    { numRuns: 40, interruptAfterTimeLimit: 8_000 },
  );
});

type FcStep = {
  readonly device: number;
  readonly kind: (typeof kinds)[number];
  readonly seq: number;
  readonly back: number;
  readonly renewed: boolean;
  readonly ends: boolean;
};
