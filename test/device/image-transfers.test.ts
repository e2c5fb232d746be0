import { randomBytes } from "node:crypto";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { type MemoryFirmwareSlots, memoryFirmwareSlots } from "../../device/adapters/memory-firmware-slots.ts";
import { Device } from "../../device/device.ts";
import { DeviceError } from "../../device/device-error.ts";
import type { DeviceOptions } from "../../device/options.ts";
import type { FirmwareSlots, HttpStream, MessageTransport } from "../../device/ports.ts";
import {
  type Bench,
  type Home,
  bootstrapped,
  memoryHome,
  openBench,
  patient,
  profile,
  registryEntry,
} from "./support/bench.ts";
import { encryptContent, makeRelease, publishRelease } from "./support/release.ts";
import { cut, damage } from "./support/streams.ts";

const image = new Uint8Array(randomBytes(200_000));

let bench: Bench;
let home: Home & { readonly slots: MemoryFirmwareSlots };

beforeEach(async () => {
  bench = await openBench();
  home = { ...memoryHome(bench), slots: memoryFirmwareSlots(profile.firmware) };
  const { device } = await bootstrapped(bench, home);
  await device.register(profile);
});
afterEach(() => vi.restoreAllMocks());

type Get = MessageTransport["get"];
type Range = Parameters<Get>[1];

/** A device whose firmware objects come another way than its messages. */
async function open(get: Get = home.messages.get, options: DeviceOptions = {}, slots: FirmwareSlots = home.slots) {
  const messages: MessageTransport = {
    ...home.messages,
    get: (url, range) => (url.includes("/firmware/") ? get(url, range) : home.messages.get(url, range)),
  };
  return Device.open({ ports: { ...home, slots, messages }, options: { ...patient(), ...options } });
}
const inSlot = async () => Buffer.from(await home.slots.read(0, 1_000_000));
const isList = (url: string) => url.endsWith(".records");

describe("however a network breaks answers off", () => {
  const cases = [
    [40_000, 65_536],
    [500, 65_536],
    [500, 1_024],
    [20, 1_024],
  ] as const;
  test.each(cases)("ok/each after %i bytes, records of %i", async (length, recordBytes) => {
    const size = length * 200;
    const short = image.subarray(0, Math.min(size, image.length));
    await publishRelease(bench, makeRelease(short, { recordBytes }));
    let fetched = 0;
    const device = await open(
      async (url, range) => {
        const stream = cut(await home.messages.get(url, range), length);
        return {
          ...stream,
          body: (async function* () {
            for await (const piece of stream.body) {
              fetched += piece.length;
              yield piece;
            }
          })(),
        };
      },
      { maxWaitSeconds: 2_000 },
    );
    await device.updateFirmware();
    expect(await inSlot()).toEqual(Buffer.from(short));
    const records = Math.ceil(short.length / recordBytes);
    expect(fetched).toBeLessThanOrEqual(1.05 * (21 + short.length + records * (17 + 32)));
  });

  test("ok/an address that brings nothing is passed over while another brings something", async () => {
    const size = 20_000;
    await publishRelease(bench, makeRelease(image.subarray(0, size), { recordBytes: 1_024 }));
    const tries = { dead: 0, living: 0 };
    const device = await open(
      async (url, range) => {
        const isDead = url.startsWith("http://dead.test");
        tries[isDead ? "dead" : "living"] += 1;
        if (isDead) throw new DeviceError("unreachable", url);
        return cut(await home.messages.get(url, range), 1_000);
      },
      { via: "http://dead.test" },
    );
    await device.updateFirmware();
    expect(await inSlot()).toEqual(Buffer.from(image.subarray(0, size)));
    expect(tries.living).toBeGreaterThan(20);
    // One for each of the two objects.
    expect(tries.dead).toBeLessThanOrEqual(2);
  });

  test("ok/what was read twice is no progress: patience ends", async () => {
    await publishRelease(bench, makeRelease(image));
    let tries = 0;
    const device = await open(
      async (url, range) => {
        tries += 1;
        const stream = await home.messages.get(url, range);
        return isList(url) ? stream : damage(stream, 21 + 7);
      },
      { maxWaitSeconds: 100 },
    );
    await expect(device.updateFirmware()).rejects.toMatchObject({ code: "no-answer" });
    expect(tries).toBeLessThan(20);
  });
});

describe("an address that cannot answer a Range", () => {
  const whole = (stream: HttpStream, change: Partial<HttpStream>): HttpStream => ({ ...stream, ...change });
  const empty = { body: (async function* () {})() };
  const cases: [string, (url: string, range: NonNullable<Range>) => Promise<HttpStream>][] = [
    ["416", async () => ({ status: 416, first: 0, ...empty })],
    ["501", async () => ({ status: 501, first: 0, ...empty })],
    ["403", async () => ({ status: 403, first: 0, ...empty })],
    ["206 without Content-Range", async (url) => whole(await home.messages.get(url), { status: 206, first: Infinity })],
    ["206 from behind the place", async (url, { first }) => home.messages.get(url, { first: first + 9 })],
    ["206 with the whole, said so", async (url) => whole(await home.messages.get(url), { status: 206 })],
    [
      "206 with the whole, under the Content-Range that was asked for",
      async (url, { first }) => whole(await home.messages.get(url), { status: 206, first }),
    ],
    ["200", async (url) => home.messages.get(url)],
  ];
  test.each(cases)("ok/%s", async (_, answer) => {
    await publishRelease(bench, makeRelease(image));
    let broken = false;
    const device = await open(async (url, range) => {
      if (range) return answer(url, range);
      const stream = await home.messages.get(url);
      if (broken || isList(url)) return stream;
      broken = true;
      return cut(stream, 100_000);
    });
    await device.updateFirmware();
    expect(await inSlot()).toEqual(Buffer.from(image));
  });

  test("ok/it comes back to Ranges where the whole brings nothing", async () => {
    await publishRelease(bench, makeRelease(image));
    let refusals = 0;
    const device = await open(async (url, range) => {
      if (range && refusals < 1) {
        refusals += 1;
        return { status: 501, first: 0, ...empty };
      }
      return cut(await home.messages.get(url, range), 60_000);
    });
    await device.updateFirmware();
    expect(await inSlot()).toEqual(Buffer.from(image));
  });
});

describe("the list of records", () => {
  test("ok/records of 1 KiB, and a whole number of them", async () => {
    const whole = image.subarray(0, 50 * 1_024);
    await publishRelease(bench, makeRelease(whole, { recordBytes: 1_024 }));
    await (await open()).updateFirmware();
    expect(await inSlot()).toEqual(Buffer.from(whole));
  });

  test("fails/another list than the signed one: nothing is written", async () => {
    await publishRelease(bench, makeRelease(image));
    const device = await open(
      async (url, range) => {
        const stream = await home.messages.get(url, range);
        return isList(url) ? damage(stream, 3) : stream;
      },
      { maxWaitSeconds: 60 },
    );
    await expect(device.updateFirmware()).rejects.toMatchObject({ code: "no-answer" });
    expect(await inSlot()).toHaveLength(0);
  });

  test("ok/a forged salt costs the header and the record, no more", async () => {
    await publishRelease(bench, makeRelease(image));
    const asked: Range[] = [];
    const device = await open(async (url, range) => {
      const stream = await home.messages.get(url, range);
      if (isList(url)) return stream;
      asked.push(range);
      return asked.length === 1 ? damage(stream, 3) : stream;
    });
    await device.updateFirmware();
    expect(await inSlot()).toEqual(Buffer.from(image));
    expect(asked).toEqual([undefined, undefined]);
  });
});

describe("without the list of records", () => {
  const skip = { recordList: "skip" } as const;
  const unlisted: Get = async (url, range) => {
    if (isList(url)) throw new Error("a device without memory for the list asks for none");
    return home.messages.get(url, range);
  };

  test("ok/each record is authenticated as it comes, the whole image at its end", async () => {
    await publishRelease(bench, makeRelease(image, { recordBytes: 1_024 }));
    await (await open(unlisted, skip)).updateFirmware();
    expect(await inSlot()).toEqual(Buffer.from(image));
    expect(await home.slots.status()).toMatchObject({ next: { counter: 2 } });
  });

  test("ok/after a restart it goes on where the slot was written", async () => {
    await publishRelease(bench, makeRelease(image, { recordBytes: 1_024 }));
    const first = await open(async (url, range) => cut(await unlisted(url, range), 100_000), {
      ...skip,
      maxWaitSeconds: 0,
    });
    await expect(first.updateFirmware()).rejects.toMatchObject({ code: "no-answer" });
    const asked: Range[] = [];
    const second = await open(async (url, range) => {
      asked.push(range);
      return unlisted(url, range);
    }, skip);
    await second.updateFirmware();
    expect(asked).toEqual([{ first: 0, last: 20 }, { first: 21 + 96 * 1_041 }]);
    expect(await inSlot()).toEqual(Buffer.from(image));
  });

  test("ok/a slot that was harmed while off is filled once more", async () => {
    await publishRelease(bench, makeRelease(image, { recordBytes: 1_024 }));
    const first = await open(async (url, range) => cut(await unlisted(url, range), 100_000), {
      ...skip,
      maxWaitSeconds: 0,
    });
    await expect(first.updateFirmware()).rejects.toMatchObject({ code: "no-answer" });
    const harmed = await inSlot();
    harmed[7] = (harmed[7] ?? 0) ^ 1;
    await home.slots.write(0, harmed);
    await (await open(unlisted, skip)).updateFirmware();
    expect(await inSlot()).toEqual(Buffer.from(image));
  });

  test("fails/other content under the right key is written, and never booted", async () => {
    const release = makeRelease(image, { recordBytes: 1_024 });
    const other = encryptContent(new Uint8Array(image.length), release.contentKey, 1_024 + 17);
    await publishRelease(bench, { ...release, encrypted: other });
    const device = await open(unlisted, skip);
    await expect(device.updateFirmware()).rejects.toMatchObject({ code: "firmware-failed" });
    expect(await home.slots.status()).toMatchObject({ next: null });
    const { identity } = (await registryEntry(bench, device.status().deviceId)) ?? {};
    expect(identity?.update).toMatchObject({ counter: 2, state: "failed", reason: "image-mismatch" });
  });

  test("fails/a damaged record is never written", async () => {
    await publishRelease(bench, makeRelease(image, { recordBytes: 1_024 }));
    const device = await open(async (url, range) => damage(await unlisted(url, range), 21 + 3), {
      ...skip,
      maxWaitSeconds: 30,
    });
    await expect(device.updateFirmware()).rejects.toMatchObject({ code: "no-answer" });
    expect(await inSlot()).toHaveLength(0);
  });
});

test("ok/an image is written in batches, not record by record", async () => {
  const large = new Uint8Array(randomBytes(2_500_000));
  await publishRelease(bench, makeRelease(large, { recordBytes: 1_024 }));
  const written: number[] = [];
  const slots: FirmwareSlots = {
    ...home.slots,
    async write(offset, bytes) {
      written.push(bytes.length);
      await home.slots.write(offset, bytes);
    },
  };
  await (await open(home.messages.get, {}, slots)).updateFirmware();
  expect(written).toEqual([1_048_576, 1_048_576, 402_848]);
  expect(Buffer.from(await home.slots.read(0, 3_000_000))).toEqual(Buffer.from(large));
});

test("fails/no space in the slot: reported as what it is", async () => {
  await publishRelease(bench, makeRelease(image));
  const slots: FirmwareSlots = {
    ...home.slots,
    async write() {
      throw new DeviceError("no-space", "ENOSPC");
    },
  };
  const device = await open(home.messages.get, {}, slots);
  await expect(device.updateFirmware()).rejects.toMatchObject({ code: "no-space", why: "ENOSPC" });
  const { identity } = (await registryEntry(bench, device.status().deviceId)) ?? {};
  expect(identity?.update).toMatchObject({ counter: 2, state: "failed", reason: "no-space" });
});
