import { beforeEach, describe, expect, test } from "vitest";

import type { PublishedEvent } from "@sealpost/protocol/operator/events.ts";

import { type Answer, makeHandler } from "../../functions/publisher/handler.ts";
import { type Parked, parseParked } from "../../functions/publisher/parked.ts";
import type { Outgoing, Target, Verdict } from "../../functions/publisher/ports.ts";
import { eventText } from "../../functions/publisher/event.ts";
import type { Item, Put } from "../../functions/store/port.ts";
import { rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, startService } from "../support/service.ts";
import { streamRecord } from "./publisher-records.ts";
import { type Speaker, speaker } from "./speaker.ts";

let service: TestService;
let device: Speaker;
/** What the service wrote, as the streams would bring it. */
let written: Item[];
let calls: (readonly Outgoing[])[];
let parked: string[];

beforeEach(async () => {
  service = await startService();
  written = [];
  const { write } = service.store;
  service.store.write = async (puts: readonly Put[]) => {
    const isDone = await write(puts);
    if (isDone) written.push(...puts.map(({ item }) => item));
    return isDone;
  };
  const raw = await rawDevice(service);
  device = await speaker(service, raw.deviceId, { signing: raw.signer, encryption: raw.encryption });
  [calls, parked] = [[], []];
});

const record = { time: present - 60, name: "active", unit: "Wh", sum: 12_345.678 };
const measure = async (seq: number, more: object = {}) =>
  device.exchange(device.claims("readings", { stream: "energy", records: [record], ...more }, { seq }));
const register = async () => device.exchange(device.claims("register", registration, { seq: 1 }));

type Says = (one: Outgoing, call: number) => Verdict;
const target = (says: Says = () => "taken", more: Partial<Target> = {}): Target => ({
  most: { entries: 10, bytes: 256_000 },
  ordered: false,
  async send(events) {
    calls.push(events);
    return events.map((one) => says(one, calls.length));
  },
  ...more,
});
const failing = (name: string) => Object.assign(new Error("said by a target"), { name });
const published = (says: Says = () => "taken") =>
  calls.flatMap((call, at) => call.filter((one) => says(one, at + 1) === "taken").map(({ event }) => event));
const parkedNow = () => parked.map(parseParked);

function invoke(input: unknown, to = target(), more: { park?: () => Promise<void>; now?: () => number } = {}) {
  const parking = {
    park: async (all: readonly Parked[]) => {
      parked.push(...all.map(eventText));
    },
    take: async () => parked.splice(0, 10).map((text) => ({ handle: text, parked: parseParked(text) })),
    release: async () => {},
    ...(more.park ? { park: more.park } : {}),
  };
  const { store } = service;
  return makeHandler({ target: to, parking, store, now: more.now ?? Date.now })(input);
}
const bring = async (items: readonly Item[], to?: Target, more?: Parameters<typeof invoke>[2]): Promise<Answer> =>
  invoke({ Records: items.map(streamRecord) }, to, more);

describe("what the streams bring", () => {
  test("ok/readings, under the number of their message", async () => {
    await register();
    written = [];
    await measure(2);
    expect(await bring(written)).toEqual({ published: 1, parked: 0 });
    expect(published()).toEqual([
      {
        id: `${device.deviceId}/2`,
        type: "readings",
        time: present,
        deviceId: device.deviceId,
        serialNumber: "SN-1",
        target: `device#${device.deviceId}`,
        detail: { seq: 2, stream: "energy", records: [record] },
      },
    ]);
  });

  test("ok/what happens to a device, and nothing else that lies in the tables", async () => {
    await register();
    await bring(written);
    const at = String(written.find(({ action }) => action === "device.registered")?.["at"]);
    expect(published().map(({ type }) => type)).toEqual(["device.certified", "device.registered"]);
    expect(published()[1]).toEqual({
      id: `device#${device.deviceId}/${at}`,
      type: "device.registered",
      time: present,
      deviceId: device.deviceId,
      target: `device#${device.deviceId}`,
      actor: `device#${device.deviceId}`,
      detail: registration,
    });
  });

  test("ok/a copy has the same id", async () => {
    await register();
    await measure(2);
    await bring(written);
    const first = published().map(({ id }) => id);
    calls = [];
    await bring(written);
    expect(published().map(({ id }) => id)).toEqual(first);
    expect(new Set(first).size).toBe(3);
  });

  test("ok/a removal is none", async () => {
    expect(await invoke({ Records: [{ eventName: "REMOVE", dynamodb: {} }] })).toEqual({ published: 0, parked: 0 });
    expect(calls).toEqual([]);
  });

  test("fails/an invocation that is none is told so", async () => {
    await expect(invoke({ detail: "x" })).rejects.toThrow("the publisher takes records of a stream");
  });
});

describe("a record that cannot be read", () => {
  const poison = () => [
    { ...written.find(({ readings }) => readings), readings: Buffer.from([1, 2, 3]) },
    { ...written.find(({ readings }) => readings), readings: Buffer.from([9]) },
    { target: "device#x", at: "now", action: "device.unheard-of", actor: "x", time: 1, detail: {} },
  ];

  test("fails/is parked whole, and stops nothing else", async () => {
    await register();
    await measure(2);
    const [bad] = [poison()];
    expect(await bring([...bad, ...written])).toEqual({ published: 3, parked: 3 });
    expect(parkedNow().map((one) => one?.why)).toEqual(["unreadable", "unreadable", "unreadable"]);
    expect(parkedNow()[0]).toMatchObject({ record: streamRecord(bad[0] ?? {}) });
  });

  test("fails/is nothing that this function can be told by accident", async () => {
    const answer = await invoke({ Records: [null, {}, { dynamodb: { NewImage: { readings: 1 } } }] });
    expect(answer).toEqual({ published: 0, parked: 3 });
  });
});

describe("a target", () => {
  const many = async (length: number) => {
    await register();
    for (let seq = 2; seq < length + 2; seq += 1) await measure(seq);
    return written.filter(({ readings }) => readings);
  };
  const isSecond = ({ event }: Outgoing) => event.id.endsWith("/2");

  test("fails/that will never take one event gets all the others", async () => {
    const says: Says = (one) => (isSecond(one) ? "rejected" : "taken");
    expect(await bring(await many(4), target(says))).toEqual({ published: 3, parked: 1 });
    expect(parkedNow()).toMatchObject([{ why: "rejected", event: { id: `${device.deviceId}/2` } }]);
    expect(calls).toHaveLength(1);
  });

  test("ok/that does not take one event at once gets it again, and it alone", async () => {
    const says: Says = (one, call) => (isSecond(one) && call < 3 ? "later" : "taken");
    expect(await bring(await many(4), target(says))).toEqual({ published: 4, parked: 0 });
    expect(calls.map(({ length }) => length)).toEqual([4, 1, 1]);
  });

  test("fails/that takes nothing stops no shard: everything is parked whole", async () => {
    const down = target(undefined, {
      send: async (events) => {
        calls.push(events);
        throw failing("ServiceUnavailable");
      },
    });
    const items = await many(25);
    expect(await bring(items, down)).toEqual({ published: 0, parked: 25 });
    expect(parkedNow().every((one) => one?.why === "unavailable")).toBe(true);
    expect(calls.length).toBeLessThanOrEqual(12);
    expect(await invoke({ redrive: true })).toEqual({ published: 25, parked: 0 });
    expect(
      published()
        .slice(-25)
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual(items.map((_, at) => `${device.deviceId}/${at + 2}`).toSorted());
  });

  test("fails/that is slow is tried until the time is up", async () => {
    let now = 0;
    const slow = target(undefined, {
      most: { entries: 1, bytes: 1 },
      ordered: true,
      send: async (events) => {
        calls.push(events);
        now += 20_000;
        throw failing("TimeoutError");
      },
    });
    expect(await bring(await many(10), slow, { now: () => now })).toEqual({ published: 0, parked: 10 });
    expect(calls).toHaveLength(2);
  });

  test("ok/that refuses a call for one of its events gets the others alone", async () => {
    const strict = target(undefined, {
      send: async (events) => {
        calls.push(events);
        if (events.some(isSecond)) throw failing("AWS.SimpleQueueService.BatchRequestTooLong");
        return events.map(() => "taken");
      },
    });
    expect(await bring(await many(4), strict)).toEqual({ published: 3, parked: 1 });
    expect(parkedNow()).toMatchObject([{ why: "rejected", event: { id: `${device.deviceId}/2` } }]);
  });

  test("ok/that keeps an order gets nothing of a device before what came earlier is there", async () => {
    const says: Says = (one, call) => (isSecond(one) && call < 3 ? "later" : "taken");
    await bring(await many(5), target(says, { ordered: true }));
    expect(published(says).map(({ detail }) => detail["seq"])).toEqual([2, 3, 4, 5, 6]);
  });

  test("ok/gets no larger calls than it takes", async () => {
    const items = await many(25);
    await bring(items, target());
    expect(calls.map(({ length }) => length)).toEqual([10, 10, 5]);
    calls = [];
    const { text = "" } = { text: eventText(published()[0] ?? {}) };
    await bring(items, target(undefined, { most: { entries: 10, bytes: 3 * (text.length + 900) } }));
    expect(Math.max(...calls.map(({ length }) => length))).toBeLessThan(10);
    expect(calls.flat()).toHaveLength(25);
  });

  test("fails/where nothing can be parked either the stream has to bring it again", async () => {
    const park = async () => {
      throw failing("Fault");
    };
    const rejecting = target(() => "rejected");
    await expect(bring(await many(1), rejecting, { park })).rejects.toThrow("said by a target");
  });

  test("ok/gets no character that a queue refuses", async () => {
    await register();
    written = [];
    await measure(2, { records: [{ time: 0, data: { odd: "\uFFFF\uFFFE\u0000\u007F\u{1FFFF}" } }] });
    await bring(written);
    const [one] = calls.flat();
    // SendMessage, "MessageBody": #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF. JSON escapes what lies below.
    expect(one?.text).not.toMatch(/[^ -\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u);
    expect(JSON.parse(one?.text ?? "")).toEqual(one?.event);
  });
});

describe("what is parked", () => {
  test("ok/is published again when asked for; what still cannot be stays", async () => {
    await register();
    await measure(2);
    const unreadable = { ...written.find(({ readings }) => readings), readings: Buffer.from([9]) };
    await bring(
      [unreadable, ...written],
      target(() => "rejected"),
    );
    expect(parked).toHaveLength(4);
    calls = [];
    let rounds = 0;
    const now = () => (rounds += 1) * 12_000;
    expect(await invoke({ redrive: true }, target(), { now })).toMatchObject({ published: 3, parked: 1 });
    expect(published().map(({ type }) => type)).toEqual(["device.certified", "device.registered", "readings"]);
  });
});

describe("a day of the journal", () => {
  const days = async (day: string, to = target()) => {
    const all: PublishedEvent[] = [];
    let cursor: string | undefined;
    do {
      calls = [];
      const answer: Answer = await invoke({ replay: { day, ...(cursor === undefined ? {} : { cursor }) } }, to);
      all.push(...published());
      cursor = answer.cursor;
    } while (cursor !== undefined);
    return all;
  };

  test("ok/is published again under the same ids", async () => {
    await register();
    await bring(written);
    const first = published().map(({ id }) => id);
    const again = await days(new Date(present * 1000).toISOString().slice(0, 10));
    expect(again.map(({ id }) => id).toSorted()).toEqual(first.toSorted());
    expect(await days("2020-01-01")).toEqual([]);
  });
});
