import { randomBytes } from "node:crypto";

import { beforeEach, describe, expect, test } from "vitest";

import { limits } from "@sealpost/protocol/limits.ts";

import { answerMessage, answerMessages } from "../../functions/receive/answer.ts";
import { decodeReadings } from "../../functions/registry/readings.ts";
import type { Put } from "../../functions/store/port.ts";
import type { MessagePorts } from "../../functions/receive/ports.ts";
import { itemBytes } from "../../functions/store/item-bytes.ts";
import { rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, startService } from "../support/service.ts";
import { type Claims, type Speaker, itemsOf, recordedWrites, speaker } from "./speaker.ts";

let service: TestService;
let device: Speaker;
let writes: (readonly Put[])[];
let ports: MessagePorts;

beforeEach(async () => {
  service = await startService();
  const raw = await rawDevice(service);
  device = await speaker(service, raw.deviceId, { signing: raw.signer, encryption: raw.encryption });
  await device.exchange(device.claims("register", registration, { seq: 1 }));
  ({ writes, ports } = recordedWrites(service));
});

const record = { time: present - 60, name: "active", unit: "Wh", sum: 12_345.678 };
const measured = (seq: number, more: object = {}) =>
  device.claims("readings", { stream: "energy", records: [record], ...more }, { seq });
const send = async (sent: Claims) => device.exchange(sent, { ports: ports });
const put = () => writes.at(-1)?.[0]?.item ?? {};
const decoded = (readings: unknown) => decodeReadings(readings instanceof Uint8Array ? readings : new Uint8Array());
const stored = () => decoded(put()["readings"]);
/** As it is once the window is full: six bytes an outcome. */
const fullBytes = () => itemBytes(put()) + (limits.window - 1) * 6;

describe("readings", () => {
  test("ok/ride in the one put of the message", async () => {
    expect(await send(measured(2))).toMatchObject({ status: "ok", body: {} });
    expect(writes.map((puts) => puts.map(({ item }) => item["item"]))).toEqual([["window"]]);
    expect(stored()).toEqual([{ seq: 2, time: present, serialNumber: "SN-1", stream: "energy", records: [record] }]);
  });

  test("ok/cost no write unit of their own where they are few", async () => {
    await send(device.claims("firmware.check", { firmware: registration.firmware }, { seq: 2 }));
    const without = fullBytes();
    await send(measured(3));
    expect([without, fullBytes()].map((bytes) => Math.ceil(bytes / 1_024))).toEqual([1, 1]);
  });

  test("ok/a hundred records of a series cost less than a second write unit", async () => {
    const series = Array.from({ length: limits.readings.records }, (_, at) => ({
      ...record,
      time: present - 6_000 + at * 60,
      sum: Math.round((12_345.678 + at * 3.217) * 1_000) / 1_000,
    }));
    await send(measured(2, { records: series }));
    expect(fullBytes()).toBeLessThan(2_048);
    expect(stored()[0]?.records).toEqual(series);
  });

  test("ok/at their largest leave room in the item", async () => {
    const filler = randomBytes(((limits.readings.bytes - 100) / 4) * 3).toString("base64");
    expect(await send(measured(2, { records: [{ time: 0, data: { filler } }] }))).toMatchObject({ status: "ok" });
    expect(itemBytes(put())).toBeLessThan(limits.readings.bytes + 4_096);
  });

  test("ok/a repeat is answered alike and stores nothing", async () => {
    const sent = measured(2);
    const first = await send(sent);
    writes = [];
    expect((await send(sent)).body).toEqual(first.body);
    expect(writes).toEqual([]);
  });

  test("ok/of 20 copies at once one is stored", async () => {
    const { token } = await device.seal(measured(2));
    await Promise.all(Array.from({ length: 20 }, async () => answerMessage(service.messages, token, present)));
    const [, window] = await itemsOf(service, device.deviceId);
    expect(window).toMatchObject({ revision: 2, high: 2 });
    expect(decoded(window?.["readings"])).toHaveLength(1);
  });

  test("ok/the next write carries none, whatever it is", async () => {
    await send(measured(2));
    await send(device.claims("firmware.check", { firmware: registration.firmware }, { seq: 3 }));
    expect(put()).not.toHaveProperty("readings");
    await send(measured(4));
    await send(device.claims("deregister", {}, { seq: 5 }));
    expect(put()).toMatchObject({ status: "deregistered" });
    expect(put()).not.toHaveProperty("readings");
  });

  test("ok/of several messages in one write are all there, in order", async () => {
    const [first, second, third] = [measured(2), measured(3, { stream: "voltage" }), measured(4)];
    const sent = await Promise.all([first, second, first, third].map(async (each) => (await device.seal(each)).token));
    await answerMessages(ports, sent, present, () => false);
    expect(writes).toHaveLength(1);
    expect(stored().map(({ seq, stream }) => [seq, stream])).toEqual([
      [2, "energy"],
      [3, "voltage"],
      [4, "energy"],
    ]);
  });

  test("ok/numbers and texts come back as they were sent", async () => {
    const records = [
      { time: 0.1, value: 1e300, sum: 5e-324, data: { "": [null, -0.5, "ö\u0000", { a: {} }], big: 2 ** 60 } },
    ];
    expect(await send(measured(2, { records }))).toMatchObject({ status: "ok" });
    expect(stored()[0]?.records).toEqual(records);
  });

  test("fails/what does not fit is refused for good, and named", async () => {
    const refused = await send(measured(2, { records: [{ value: 1 }] }));
    expect(refused).toMatchObject({ status: "malformed", body: { field: "body.records.0.time", retry: false } });
    expect(put()).not.toHaveProperty("readings");
  });

  test("fails/before the registration", async () => {
    const raw = await rawDevice(service);
    const sent = await raw.claimsOf("readings", { stream: "energy", records: [record] }, { seq: 1 });
    expect((await raw.exchange(sent)).status).toBe("not-registered");
  });
});
