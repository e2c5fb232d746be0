import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { limits } from "@sealpost/protocol/limits.ts";

import { Device } from "../../device/device.ts";
import { type DeviceOptions } from "../../device/options.ts";
import type { MessageTransport } from "../../device/ports.ts";
import { firstAddresses, remember } from "../../device/trust/addresses.ts";
import { type Bench, type Home, bootstrapped, openBench, profile, steadyTiming } from "./support/bench.ts";
import { presentOpener, rotate } from "./support/rotate.ts";

let bench: Bench;
let home: Home;
let asked: string[];

beforeEach(async () => {
  bench = await openBench();
  ({ home } = await bootstrapped(bench));
  asked = [];
});
afterEach(() => vi.restoreAllMocks());

/** The device where only these hosts answer; what they serve is the service. */
async function where(
  alive: Partial<Record<string, "all" | "keys" | "posts">>,
  options: DeviceOptions = {},
): Promise<Device> {
  const check = (url: string, needs: "posts" | "keys") => {
    asked.push(url);
    const serves = alive[new URL(url).host];
    if (serves !== "all" && serves !== needs) throw new Error("ENOTFOUND");
  };
  const messages: MessageTransport = {
    async post(url, token) {
      check(url, "posts");
      return home.messages.post(url, token);
    },
    async get(url, range) {
      check(url, "keys");
      return home.messages.get(url, range);
    },
  };
  const patience = { timing: steadyTiming(), maxWaitSeconds: 600 };
  return Device.open({ ports: { ...home, messages }, options: { ...patience, ...options } });
}

/** Nothing changes but the addresses. */
const readdress = (...messageUrls: string[]) => rotate(bench, { messageUrls });

describe("a mistyped address is published and adopted", () => {
  beforeEach(async () => {
    const device = await where({ "messages.test": "all" });
    await device.register(profile);
    await readdress("http://mesages.test");
    await device.checkFirmware();
    if (device.status().trustVersion !== 2) throw new Error("not adopted");
    asked = [];
  });

  test("ok/the device goes on over the address that it remembers", async () => {
    const device = await where({ "messages.test": "all" });
    expect(await device.checkFirmware()).toBeNull();
    expect(asked.slice(0, 2)).toEqual(["http://mesages.test/messages", "http://messages.test/messages"]);
  });

  test("ok/corrected, the device comes back by itself, also after a restart with nothing but its state", async () => {
    await readdress("http://moved.test");
    const device = await where({ "messages.test": "all", "moved.test": "all" });
    await device.checkFirmware();
    expect(device.status().trustVersion).toBe(3);
    asked = [];
    await (await where({ "moved.test": "all" })).checkFirmware();
    expect(asked[0]).toBe("http://moved.test/messages");
  });

  test("ok/corrected to another host, while the old one only serves the keys", async () => {
    await readdress("http://moved.test");
    const device = await where({ "messages.test": "keys", "moved.test": "all" });
    await device.checkFirmware();
    expect(device.status().trustVersion).toBe(3);
  });

  test("ok/a relay that the user names is tried first, and what it brings heals the device for good", async () => {
    await readdress("http://moved.test");
    const device = await where({ "relay.test": "all" }, { via: "http://relay.test" });
    await device.checkFirmware();
    asked = [];
    const healed = await where({ "moved.test": "all" });
    await healed.checkFirmware();
    expect(asked[0]).toBe("http://moved.test/messages");
  });

  test("fails/with every remembered address dead nothing is lost but time", async () => {
    const timing = steadyTiming();
    const device = await where({}, { timing, maxWaitSeconds: 100 });
    await expect(device.checkFirmware()).rejects.toMatchObject({ code: "no-answer" });
    expect(device.status().pending).toHaveLength(1);
    const rounds = asked.filter((url) => url === "http://mesages.test/messages").length;
    // Each round: every address once for the message, once for the keys.
    expect(asked.filter((url) => url === "http://messages.test/keys")).toHaveLength(rounds);
    expect(rounds).toBeLessThan(10);
  });
});

describe("a reply says which documents are the newest", () => {
  /** A trust document and a key set by a new key; the message keys stay, so nothing but the versions tells. */
  const renumber = (...messageUrls: string[]) =>
    rotate(bench, { messageUrls }, { opener: presentOpener(bench), replyKey: bench.service.replyKey });
  const keysAsked = () => asked.filter((url) => url.endsWith("/keys"));

  test("ok/a device that is behind asks whoever answered, once", async () => {
    const device = await where({ "messages.test": "all" });
    await device.register(profile);
    expect(keysAsked()).toEqual([]);
    await renumber("http://moved.test");
    await device.checkFirmware();
    expect(device.status().trustVersion).toBe(2);
    expect(keysAsked()).toEqual(["http://messages.test/keys"]);
    asked = [];
    await (await where({ "moved.test": "all" })).checkFirmware();
    expect(asked).toEqual(["http://moved.test/messages"]);
  });

  test("ok/a relay that only carries messages: the others are asked", async () => {
    await renumber("http://moved.test");
    const device = await where({ "relay.test": "posts", "messages.test": "keys" }, { via: "http://relay.test" });
    await device.register(profile);
    expect(device.status().trustVersion).toBe(2);
    expect(keysAsked()).toEqual(["http://relay.test/keys", "http://messages.test/keys"]);
  });

  test("ok/one such round an hour, also over a restart, and it changes no outcome", async () => {
    await renumber("http://moved.test");
    const device = await where({ "messages.test": "posts" });
    await device.register(profile);
    await device.checkFirmware();
    const restarted = await where({ "messages.test": "posts" });
    await restarted.checkFirmware();
    expect(keysAsked()).toHaveLength(1);
    expect(restarted.status().trustVersion).toBe(1);
    bench.now += limits.catchUpSeconds;
    await restarted.checkFirmware();
    await restarted.checkFirmware();
    expect(keysAsked()).toHaveLength(2);
  });

  test("ok/a service that cannot say is not asked", async () => {
    await renumber("http://moved.test");
    Object.assign(bench.service.messages, { documentVersions: async () => ({ trustVersion: 0, keySetVersion: 0 }) });
    await (await where({ "messages.test": "all" })).register(profile);
    expect(keysAsked()).toEqual([]);
  });

  test("fails/a caller who has had enough by then: the message is done all the same", async () => {
    await renumber("http://moved.test");
    const ends = new AbortController();
    const get: MessageTransport["get"] = async () => {
      ends.abort();
      return new Promise<never>(() => {});
    };
    const device = await Device.open({
      ports: { ...home, messages: { ...home.messages, get } },
      options: { timing: steadyTiming(), signal: ends.signal },
    });
    await device.register(profile);
    expect(device.status()).toMatchObject({ phase: "registered", pending: [], trustVersion: 1 });
  });
});

test("fails/a base of a document that does not verify is never asked", async () => {
  const device = await where({ "messages.test": "all" });
  const catchUp = await bench.service.messages.readCatchUp();
  const stranger = await openBench();
  await rotate(stranger, { messageUrls: ["http://stranger.test"] });
  const forged = await stranger.service.messages.readCatchUp();
  expect(forged?.trust).not.toEqual(catchUp?.trust);
  const lied = await Device.open({
    ports: {
      ...home,
      messages: {
        ...home.messages,
        async post(url, token) {
          asked.push(url);
          return stranger.messages.post(url, token);
        },
      },
    },
    options: { timing: steadyTiming(), maxWaitSeconds: 60 },
  });
  await expect(lied.register(profile)).rejects.toMatchObject({ code: "no-answer" });
  expect(asked.some((url) => url.includes("stranger"))).toBe(false);
  await device.register(profile);
});

describe("what is remembered", () => {
  const url = fc.integer({ min: 0, max: 60 }).map((n) => `http://h${n}.test`);
  const document = fc.uniqueArray(url, { minLength: 1, maxLength: 6 });

  test("ok/newest first, without doubles, 32 at most, and always those of the first and the newest document", () => {
    fc.assert(
      fc.property(document, fc.array(document, { maxLength: 40 }), (first, later) => {
        const all = later.reduce(remember, firstAddresses(first));
        const newest = later.at(-1) ?? first;
        expect(all.first).toEqual(first);
        expect(all.remembered.slice(0, newest.length)).toEqual(newest);
        expect(new Set(all.remembered).size).toBe(all.remembered.length);
        expect(all.remembered.length).toBeLessThanOrEqual(limits.rememberedBases);
        for (const base of first) expect(all.remembered).toContain(base);
        const known = new Set([...first, ...later.flat()]);
        expect(all.remembered.length).toBe(Math.min(limits.rememberedBases, known.size));
      }),
    );
  });

  test("ok/the oldest is dropped first", () => {
    const bases = Array.from({ length: 40 }, (_, n) => `http://h${n}.test`);
    const [first = "", ...later] = bases;
    const { remembered } = later.reduce((all, base) => remember(all, [base]), firstAddresses([first]));
    expect(remembered).toEqual([...bases.slice(-31).toReversed(), first]);
  });

  test("ok/a document of more addresses than that keeps them all", () => {
    const many = Array.from({ length: 40 }, (_, n) => `http://h${n}.test`);
    expect(remember(firstAddresses(["http://first.test"]), many).remembered).toHaveLength(41);
  });
});

test("fails/an address that no client can use is refused at once", async () => {
  for (const [via, defect] of [
    ["http://a:b@relay.test", "user name or password"],
    ["http://relay.test/?x=1", "query"],
    ["http://relay.test/#x", "fragment"],
    ["http://relay.test/a b", "spaces"],
    ["http://relay.test:25", "port"],
    ["ftp://relay.test", "scheme"],
  ] as const) {
    await expect(where({}, { via })).rejects.toMatchObject({
      code: "argument-invalid",
      why: expect.stringContaining(defect),
    });
  }
  expect(asked).toEqual([]);
  const credentialPackage = { ...bench.credential, bootstrapUrl: "https://a@bootstrap.test" };
  await expect(Device.bootstrap({ credentialPackage, ports: home })).rejects.toMatchObject({ code: "package-invalid" });
});
