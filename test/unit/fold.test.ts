import { randomBytes } from "node:crypto";

import { beforeEach, describe, expect, test } from "vitest";

import { answerMessages } from "../../functions/receive/answer.ts";
import type { MessagePorts } from "../../functions/receive/ports.ts";
import { itemBytes } from "../../functions/store/item-bytes.ts";
import type { Put } from "../../functions/store/port.ts";
import { rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, startService } from "../support/service.ts";
import { type Claims, type Speaker, actionsOf, newKeys, recordedWrites, speaker, stored } from "./speaker.ts";

let service: TestService;
let device: Speaker;
let writes: (readonly Put[])[];
let ports: MessagePorts;

beforeEach(async () => {
  service = await startService();
  const raw = await rawDevice(service);
  device = await speaker(service, raw.deviceId, { signing: raw.signer, encryption: raw.encryption });
  ({ writes, ports } = recordedWrites(service));
});

/** What became of each message, all in one batch. */
async function folded(...sent: readonly (readonly [Speaker, Claims])[]) {
  const tokens = await Promise.all(sent.map(async ([by, claims]) => (await by.seal(claims)).token));
  const answered = await answerMessages(ports, tokens, present, () => false);
  return answered.map(({ log }) => log["reason"] ?? log["outcome"]);
}

const register = (seq: number, by = device) => by.claims("register", registration, { seq, ack: 0 });
const check = (seq: number, by = device) =>
  by.claims("firmware.check", { firmware: registration.firmware }, { seq, ack: 0 });

describe("messages of one device at once", () => {
  test("ok/each is judged on the state that the one before left, and all are one write", async () => {
    expect(await folded([device, register(1)], [device, check(2)])).toEqual(["ok", "ok"]);
    expect(writes).toHaveLength(1);
    expect(writes[0]?.filter(({ item }) => item["item"] === "window")).toHaveLength(1);
    const { status, window } = await stored(service, device.deviceId);
    expect({ status, high: window.high }).toEqual({ status: "registered", high: 2 });
  });

  test("fails/in the other order the check comes before there is a registration", async () => {
    expect(await folded([device, check(2)], [device, register(1)])).toEqual(["not-registered", "ok"]);
    expect(writes).toHaveLength(1);
  });

  test("ok/a repeat finds the outcome of the one before it", async () => {
    const same = register(1);
    expect(await folded([device, same], [device, same])).toEqual(["ok", "ok"]);
    expect(await actionsOf(service, device.deviceId)).toEqual(["device.certified", "device.registered"]);
  });

  test("fails/another message under the same seq", async () => {
    expect(await folded([device, register(1)], [device, check(1)])).toEqual(["ok", "conflict"]);
  });

  test("fails/one under keys that an earlier one ended", async () => {
    await device.exchange(register(1));
    const next = await newKeys();
    await device.exchange(device.claims("renew", await device.renewal(next), { seq: 2 }));
    const renewed = await speaker(service, device.deviceId, next);
    expect(await folded([device, check(3)], [renewed, check(4, renewed)], [device, check(5)])).toEqual([
      "ok",
      "ok",
      "signature",
    ]);
    expect(writes).toHaveLength(1);
    expect((await actionsOf(service, device.deviceId)).at(-1)).toBe("device.renewal-ended");
  });

  test("ok/what changes nothing is not written", async () => {
    const same = register(1);
    await device.exchange(same);
    expect(await folded([device, same], [device, same])).toEqual(["ok", "ok"]);
    expect(writes).toEqual([]);
  });
});

describe("what a batch costs", () => {
  const measured = (by: Speaker, seq: number, records: readonly object[] = [{ time: present, value: seq }]) =>
    by.claims("readings", { stream: "energy", records }, { seq });

  test("ok/one read for all devices, one write for each", async () => {
    const others = await Promise.all(
      Array.from({ length: 9 }, async () => {
        const raw = await rawDevice(service);
        return speaker(service, raw.deviceId, { signing: raw.signer, encryption: raw.encryption });
      }),
    );
    const all = [device, ...others];
    for (const by of all) await by.exchange(register(1, by));
    const reads: number[] = [];
    const read: TestService["store"]["read"] = (keys) => {
      reads.push(keys.length);
      return service.store.read(keys);
    };
    const sent = [2, 3, 4].flatMap((seq) => all.map((by) => [by, measured(by, seq)] as const));
    const tokens = await Promise.all(sent.map(async ([by, claims]) => (await by.seal(claims)).token));
    const counted = { ...ports, store: { ...ports.store, read } };
    const answered = await answerMessages(counted, tokens, present, () => false);
    expect(answered.map(({ log }) => log["outcome"])).toEqual(sent.map(() => "ok"));
    expect(reads).toEqual([30]);
    expect(writes.map((puts) => puts.length)).toEqual(all.map(() => 1));
  });

  test("ok/what one item does not hold is cut, committed, and gone on with", async () => {
    await device.exchange(register(1));
    const noise = () => [{ time: present, data: { noise: randomBytes(45_000).toString("base64") } }];
    const seqs = [2, 3, 4, 5, 6, 7, 8, 9];
    const outcomes = await folded(...seqs.map((seq) => [device, measured(device, seq, noise())] as const));
    expect(outcomes).toEqual(seqs.map(() => "ok"));
    expect(writes.map((puts) => puts.length)).toEqual([1, 1]);
    const sizes = writes.flat().map(({ item }) => itemBytes(item));
    expect(Math.max(...sizes)).toBeLessThan(350_000);
  });

  test("fails/behind eight lost races what is not written is throttled under seal; what is, stays", async () => {
    await device.exchange(register(1));
    const noise = () => [{ time: present, data: { noise: randomBytes(45_000).toString("base64") } }];
    const seqs = [2, 3, 4, 5, 6, 7, 8, 9];
    let calls = 0;
    const write = async (puts: readonly Put[]) => {
      calls += 1;
      return calls === 1 && service.store.write(puts);
    };
    const tokens = await Promise.all(
      seqs.map(async (seq) => (await device.seal(measured(device, seq, noise()))).token),
    );
    const losing = { ...ports, store: { ...ports.store, write } };
    const answered = await answerMessages(losing, tokens, present, () => false);
    const { window } = await stored(service, device.deviceId);
    expect(calls).toBe(9);
    expect(answered.map(({ kind, log }) => [kind, log["outcome"]])).toEqual(
      seqs.map((seq) => ["sealed", seq <= window.high ? "ok" : "throttled"]),
    );
    expect(window.high).toBeGreaterThan(2);
    expect(window.high).toBeLessThan(9);
  });
});
