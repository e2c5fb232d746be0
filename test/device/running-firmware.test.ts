import { randomBytes } from "node:crypto";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { type MemoryFirmwareSlots, memoryFirmwareSlots } from "../../device/adapters/memory-firmware-slots.ts";
import { Device } from "../../device/device.ts";
import type { DeviceOptions } from "../../device/options.ts";
import type { DevicePorts } from "../../device/ports.ts";
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
import { makeRelease, publishRelease, withdrawRelease } from "./support/release.ts";
import { cut } from "./support/streams.ts";

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

const open = (ports: Partial<DevicePorts> = {}, options: DeviceOptions = {}) =>
  Device.open({ ports: { ...home, ...ports }, options: { ...patient(), ...options } });

describe("an offer that takes the place of what was handed to the bootloader", () => {
  beforeEach(async () => {
    await publishRelease(bench, makeRelease(image.subarray(0, 3_000), { counter: 4, version: "4.0.0" }));
    await publishRelease(bench, makeRelease(image, { counter: 5, version: "5.0.0" }));
    await (await open()).updateFirmware();
    await withdrawRelease(bench, 5);
    await (await open()).checkFirmware();
    home.slots.boot();
  });

  test("fails/an older one: the newer release runs by then, and there is no way back", async () => {
    const device = await open();
    expect(await device.confirmBoot()).toBe("installed");
    expect(device.status()).toMatchObject({ firmware: { version: "5.0.0", counter: 5 }, pending: [] });
    expect((await registryEntry(bench, device.status().deviceId))?.identity).toMatchObject({
      update: { counter: 5, state: "installed" },
      registration: { firmware: { version: "5.0.0", counter: 5 } },
    });
    expect(await device.updateFirmware()).toBeNull();
    expect(await home.slots.status()).toMatchObject({ running: { counter: 5 }, next: null });
  });

  test("fails/the same where nobody asked for the verdict of the boot", async () => {
    await home.slots.confirm();
    const device = await open();
    expect(await device.updateFirmware()).toBeNull();
    expect(device.status()).toMatchObject({ firmware: { counter: 5 }, pending: [] });
    expect(await home.slots.status()).toMatchObject({ running: { counter: 5 }, next: null });
  });

  test("ok/a newer one stays on offer", async () => {
    await publishRelease(bench, makeRelease(image, { counter: 6, version: "6.0.0" }));
    expect(await (await open()).checkFirmware()).toMatchObject({ counter: 6 });
    const device = await open();
    expect(await device.confirmBoot()).toBe("installed");
    expect(device.status()).toMatchObject({ firmware: { counter: 5 }, update: { counter: 6, stage: "offered" } });
  });
});

test("ok/the new firmware registers before it confirms: installed all the same", async () => {
  await publishRelease(bench, makeRelease(image));
  await (await open()).updateFirmware();
  home.slots.boot();
  const device = await open();
  await device.register({ ...profile, firmware: { version: "2.0.0", counter: 2 } });
  expect(await device.confirmBoot()).toBe("installed");
  expect(device.status()).toMatchObject({ firmware: { counter: 2 }, givenUp: [] });
});

test("ok/two updates at once: the second waits, and finds the work done", async () => {
  await publishRelease(bench, makeRelease(image));
  const writes: number[] = [];
  const slots = {
    ...home.slots,
    async write(offset: number, bytes: Uint8Array) {
      writes.push(offset);
      await home.slots.write(offset, bytes);
    },
  };
  const device = await open({ slots });
  const done = await Promise.all([device.updateFirmware(), device.updateFirmware()]);
  expect(done).toMatchObject([{ counter: 2 }, { counter: 2 }]);
  expect(writes).toEqual([0]);
});

describe("a check while an image is coming", () => {
  /** Updates, and does something else once the image begins to come. */
  async function updateWhile(meanwhile: (device: Device) => Promise<unknown>) {
    let begun = false;
    const get: typeof home.messages.get = async (url, range) => {
      if (/firmware\/[\w-]+$/.test(url) && !begun) {
        begun = true;
        await meanwhile(device);
      }
      return home.messages.get(url, range);
    };
    const device: Device = await open({ messages: { ...home.messages, get } });
    return device.updateFirmware();
  }
  const later = image.toReversed();

  test("ok/brings another offer: that one is downloaded, and none is taken for the other", async () => {
    await publishRelease(bench, makeRelease(image));
    const update = await updateWhile(async (device) => {
      await publishRelease(bench, makeRelease(later, { counter: 3, version: "3.0.0" }));
      await device.checkFirmware();
    });
    expect(update).toMatchObject({ counter: 3 });
    expect(await home.slots.status()).toMatchObject({ next: { counter: 3 } });
    expect(Buffer.from(await home.slots.read(0, 1_000_000))).toEqual(Buffer.from(later));
  });

  test("ok/finds it withdrawn: nothing is handed over", async () => {
    await publishRelease(bench, makeRelease(image));
    const update = await updateWhile(async (device) => {
      await withdrawRelease(bench, 2);
      await device.checkFirmware();
    });
    expect(update).toBeNull();
    const device = await open();
    expect(device.status()).toMatchObject({ pending: [] });
    expect(await home.slots.status()).toMatchObject({ next: null });
    expect((await registryEntry(bench, device.status().deviceId))?.identity.update?.state).toBe("downloading");
  });
});

test("ok/without the list: a slot that lost what was written is filled from the start", async () => {
  await publishRelease(bench, makeRelease(image, { recordBytes: 1_024 }));
  let transfers = 0;
  const get: typeof home.messages.get = async (url, range) => {
    const stream = await home.messages.get(url, range);
    if (!url.includes("/firmware/")) return stream;
    transfers += 1;
    return transfers === 1 ? cut(stream, 100_000) : { ...stream, status: 503 };
  };
  const cutOff = await open({ messages: { ...home.messages, get } }, { recordList: "skip", maxWaitSeconds: 5 });
  await expect(cutOff.updateFirmware()).rejects.toMatchObject({ code: "no-answer" });
  const slots = memoryFirmwareSlots(profile.firmware);
  expect(await (await open({ slots }, { recordList: "skip" })).updateFirmware()).toMatchObject({ counter: 2 });
  expect(Buffer.from(await slots.read(0, 1_000_000))).toEqual(Buffer.from(image));
});
