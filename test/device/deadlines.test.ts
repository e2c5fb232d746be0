import { randomBytes } from "node:crypto";
import { type RequestListener, createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { limits } from "@sealpost/protocol/limits.ts";

import { fetchMessageTransport } from "../../device/adapters/fetch-message-transport.ts";
import { memoryFirmwareSlots } from "../../device/adapters/memory-firmware-slots.ts";
import { boundedTransport } from "../../device/delivery/bounded-transport.ts";
import { Patience } from "../../device/delivery/patience.ts";
import { Device } from "../../device/device.ts";
import { type DeviceOptions, toSettings } from "../../device/options.ts";
import type { MessageTransport } from "../../device/ports.ts";
import { readAll } from "../../device/read-all.ts";
import { type Bench, type Home, bootstrapped, memoryHome, openBench, patient, profile } from "./support/bench.ts";
import { startLiveService } from "./support/live-service.ts";
import { makeRelease, publishRelease } from "./support/release.ts";
import { rotate } from "./support/rotate.ts";

let bench: Bench;
let home: Home;
const closers: (() => unknown)[] = [];

beforeEach(async () => {
  bench = await openBench();
  ({ home } = await bootstrapped(bench));
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const never = () => new Promise<never>(() => {});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => (server.closeAllConnections(), server.close()));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A relay that answers for ever, a byte at a time. */
const drip: RequestListener = (_request, response) => {
  response.writeHead(200);
  const timer = setInterval(() => response.write("x"), 50);
  response.on("close", () => clearInterval(timer));
};

async function open(options: DeviceOptions, messages: Partial<MessageTransport> = {}): Promise<Device> {
  return Device.open({ ports: { ...home, messages: { ...home.messages, ...messages } }, options });
}

/** Well above what is asked for, since the machine may be busy, and well below the 30 s of an unbounded try. */
const atMostSeconds = 15;

/** Seconds until it fails, and how. */
async function failing(work: Promise<unknown>): Promise<{ seconds: number; error: unknown }> {
  const began = performance.now();
  const error: unknown = await work.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  return { seconds: (performance.now() - began) / 1000, error };
}

describe("the caller's word", () => {
  for (const [name, listener] of Object.entries({ silent: () => {}, dripping: drip } satisfies Record<
    string,
    RequestListener
  >)) {
    test(`fails/maxWaitSeconds bounds a running try, also at a ${name} server`, async () => {
      const url = await serve(listener);
      const device = await open({ via: url, maxWaitSeconds: 2 }, fetchMessageTransport());
      const { seconds, error } = await failing(device.register(profile));
      expect(error).toMatchObject({ code: "no-answer" });
      expect(seconds).toBeLessThan(atMostSeconds);
      expect(device.status().pending).toHaveLength(1);
    });
  }

  test("ok/a dripping relay has its share of the patience, and the next address its own", async () => {
    const live = await startLiveService(bench);
    closers.push(live.close);
    await rotate(bench, { messageUrls: [await serve(drip), live.messageUrl] });
    await (await open(patient())).register(profile);
    const device = await open({ maxWaitSeconds: 8, backOff: { firstSeconds: 0.01 } }, fetchMessageTransport());
    expect(await device.checkFirmware()).toBeNull();
  });

  test("fails/a port that looks at no signal is not waited for", async () => {
    const device = await open({ maxWaitSeconds: 1 }, { post: never, get: never });
    const { seconds, error } = await failing(device.register(profile));
    expect(error).toMatchObject({ code: "no-answer" });
    expect(seconds).toBeLessThan(atMostSeconds);
  });

  test("fails/no patience at all is one short try", async () => {
    const device = await open({ maxWaitSeconds: 0 }, { post: never, get: never });
    const { seconds } = await failing(device.register(profile));
    expect(seconds).toBeGreaterThan(0.5);
    expect(seconds).toBeLessThan(atMostSeconds);
  });

  test("fails/the bootstrap too", async () => {
    const fresh = { ...memoryHome(bench), bootstrap: { connect: () => ({ post: never, close: async () => {} }) } };
    const bootstrap = (options: DeviceOptions) =>
      Device.bootstrap({ credentialPackage: bench.credential, ports: fresh, options });
    const { seconds, error } = await failing(bootstrap({ maxWaitSeconds: 1 }));
    expect(error).toMatchObject({ code: "unreachable", why: "https://bootstrap.test, no answer within 1 s" });
    expect(seconds).toBeLessThan(atMostSeconds);
    const signal = AbortSignal.abort("enough");
    expect((await failing(bootstrap({ signal }))).error).toMatchObject({ code: "aborted", cause: "enough" });
  });
});

describe("a signal", () => {
  test("fails/ends a running try, a pause and every later verb; the message stays", async () => {
    const ends = new AbortController();
    const seen: (AbortSignal | undefined)[] = [];
    const post: MessageTransport["post"] = async (_url, _token, options) => {
      seen.push(options?.signal);
      setTimeout(() => ends.abort(new Error("shutting down")), 50);
      return never();
    };
    const device = await open({}, { post });
    const { error } = await failing(device.register(profile, { signal: ends.signal }));
    expect(error).toMatchObject({ code: "aborted", cause: { message: "shutting down" } });
    expect(seen[0]?.aborted).toBe(true);
    expect(device.status().pending).toHaveLength(1);

    const pausing = await open(
      { backOff: { firstSeconds: 3_000 }, timing: { ...toSettings({}).timing, random: () => 0.9 } },
      { post: async () => Promise.reject(new Error("down")) },
    );
    const soon = AbortSignal.timeout(50);
    expect((await failing(pausing.checkFirmware({ signal: soon }))).error).toMatchObject({ code: "aborted" });

    const whole = await open({ signal: ends.signal });
    const verbs = [() => whole.register(profile), () => whole.renewKeys(), () => whole.deregister()];
    for (const verb of verbs) expect((await failing(verb())).error).toMatchObject({ code: "aborted" });
    await (await open(patient())).register(profile);
  });

  test("ok/one verb gives up, the other that waits behind it goes on", async () => {
    let posts = 0;
    const post: MessageTransport["post"] = (url, token) =>
      (posts += 1) === 1 ? never() : home.messages.post(url, token);
    const device = await open({}, { post });
    const first = failing(device.register(profile, { maxWaitSeconds: 1 }));
    const second = device.register({ ...profile, hardware: "r3" });
    expect((await first).error).toMatchObject({ code: "no-answer" });
    await second;
    expect(device.status()).toMatchObject({ hardware: "r3", pending: [] });
  });

  test("fails/who waits behind another verb waits no longer than it said", async () => {
    const ends = new AbortController();
    const device = await open({ signal: ends.signal }, { post: never });
    const first = failing(device.register(profile));
    const { error } = await failing(device.register(profile, { maxWaitSeconds: 0.2 }));
    expect(error).toMatchObject({ code: "no-answer", why: "another verb is still at work" });
    ends.abort();
    expect((await first).error).toMatchObject({ code: "aborted" });
  });

  test("ok/two callers of one renewal both learn that it is done", async () => {
    const device = await open(patient());
    await Promise.all([device.renewKeys(), device.renewKeys()]);
    expect(device.status().pending).toEqual([]);
  });
});

test("fails/an exception of a user's own port: its message is shown, and it is the cause", async () => {
  const modem = Object.assign(new Error("modem said +CME ERROR: 30"), { code: "MODEM" });
  for (const port of [
    { post: async () => Promise.reject(modem) },
    {
      post: () => {
        throw modem;
      },
    },
  ]) {
    const { error } = await failing((await open({ ...patient(), maxWaitSeconds: 3 }, port)).register(profile));
    expect(error).toMatchObject({ code: "no-answer", why: "http://messages.test, modem said +CME ERROR: 30" });
    expect((error as Error).cause).toBe(modem);
  }
});

describe("an image", () => {
  const body = async function* (bytes: number, seconds: number) {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      yield new Uint8Array(bytes);
    }
  };
  const read = async (stream: AsyncIterable<Uint8Array>) => {
    const patience = new Patience(toSettings({}));
    const messages = { get: async () => ({ status: 200, first: 0, body: stream }), post: never };
    const { body: paced } = await boundedTransport(messages, patience).get("http://relay.test/firmware/x");
    return readAll(paced, 20_000);
  };

  test("fails/slower than the least rate it is broken off", async () => {
    vi.useFakeTimers();
    const { leastBytesPerSecond } = limits.firmware;
    const slow = failing(read(body(leastBytesPerSecond - 8, 1)));
    await vi.advanceTimersByTimeAsync((limits.trySeconds + 2) * 1000);
    expect((await slow).error).toMatchObject({
      code: "unreachable",
      why: expect.stringContaining("http://relay.test"),
    });
    const enough = failing(read(body(leastBytesPerSecond + 8, 1)));
    await vi.advanceTimersByTimeAsync(400_000);
    expect((await enough).error).toBeInstanceOf(RangeError);
  });

  test("ok/what came through renews the patience of an update", async () => {
    await publishRelease(bench, makeRelease(new Uint8Array(randomBytes(700_000))));
    const slots = memoryFirmwareSlots(profile.firmware);
    let gets = 0;
    const get: MessageTransport["get"] = async (url, range) => {
      const stream = await home.messages.get(url, range);
      gets += 1;
      const cut = async function* () {
        let rest = 60_000;
        for await (const piece of stream.body) {
          yield piece.subarray(0, rest);
          rest -= piece.length;
          if (rest <= 0) throw new Error("reset");
        }
      };
      return { ...stream, body: cut() };
    };
    home = { ...home, slots };
    const device = await open({ ...patient(), maxWaitSeconds: 5 }, { get });
    await device.register(profile);
    await device.updateFirmware();
    expect(gets).toBeGreaterThan(10);
    expect(await slots.status()).toMatchObject({ next: { counter: 2 } });
  });
});

test("ok/many wrong addresses in a row: an image comes from the last one", async () => {
  const slots = memoryFirmwareSlots(profile.firmware);
  const wrong = Array.from({ length: 10 }, (_, n) => `http://wrong-${n}.test`);
  await rotate(bench, { messageUrls: [...wrong, "http://messages.test"] });
  await (await open(patient())).register(profile);
  await publishRelease(bench, makeRelease(new Uint8Array(randomBytes(5_000))));
  const get: MessageTransport["get"] = async (url, ...more) =>
    home.messages.get(url.startsWith("http://wrong-") ? "http://wrong.test/firmware/none" : url, ...more);
  const device = await Device.open({
    ports: { ...home, slots, messages: { ...home.messages, get } },
    options: { ...patient(), maxWaitSeconds: 60 },
  });
  expect(await device.updateFirmware()).toMatchObject({ counter: 2 });
});

test("ok/an address that never answers takes its share of the patience: an image comes from the next one", async () => {
  const slots = memoryFirmwareSlots(profile.firmware);
  const image = new Uint8Array(randomBytes(5_000));
  await (await open({})).register(profile);
  await publishRelease(bench, makeRelease(image));
  const get: MessageTransport["get"] = async (url, ...more) =>
    url.startsWith("http://dead.test/firmware") ? never() : home.messages.get(url, ...more);
  const device = await Device.open({
    ports: { ...home, slots, messages: { ...home.messages, get } },
    options: { via: "http://dead.test", maxWaitSeconds: 6, backOff: { firstSeconds: 0.01 } },
  });
  expect(await device.updateFirmware()).toMatchObject({ counter: 2 });
});
