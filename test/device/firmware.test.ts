import { randomBytes } from "node:crypto";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { signingKey } from "../support/keys.ts";
import { present } from "../support/service.ts";
import { type MemoryFirmwareSlots, memoryFirmwareSlots } from "../../device/adapters/memory-firmware-slots.ts";
import { Device } from "../../device/device.ts";
import type { HttpStream, MessageTransport } from "../../device/ports.ts";
import {
  type Bench,
  type Home,
  bootstrapped,
  memoryHome,
  openBench,
  patient,
  pieces,
  profile,
  registryEntry,
} from "./support/bench.ts";
import { atEveryCall } from "./support/crash.ts";
import { cut, damage } from "./support/streams.ts";
import { encryptContent, makeRelease, publishRelease } from "./support/release.ts";

const image = new Uint8Array(randomBytes(200_000));
const small = image.subarray(0, 70_000);

let bench: Bench;
let home: Home & { readonly slots: MemoryFirmwareSlots };

async function start(): Promise<void> {
  bench = await openBench();
  home = { ...memoryHome(bench), slots: memoryFirmwareSlots(profile.firmware) };
  const { device } = await bootstrapped(bench, home);
  await device.register(profile);
}
beforeEach(start);
afterEach(() => vi.restoreAllMocks());

const open = (messages: Partial<MessageTransport> = {}, maxWaitSeconds = 600) =>
  Device.open({
    ports: { ...home, messages: { ...home.messages, ...messages } },
    options: { ...patient(), maxWaitSeconds },
  });

const reported = async (device: Device) => (await registryEntry(bench, device.status().deviceId))?.identity.update;
const inSlot = async () => Buffer.from(await home.slots.read(0, 1_000_000));

describe("the whole way", () => {
  test("ok/offered, downloading, verified, booted, installed", async () => {
    await publishRelease(bench, makeRelease(image));
    const device = await open();
    expect(await device.checkFirmware()).toEqual({ version: "2.0.0", counter: 2, size: image.length });
    const progress: number[] = [];
    await device.updateFirmware({ onProgress: ({ done }) => progress.push(done) });
    expect(progress).toEqual([0, 65_536, 131_072, 196_608, 200_000]);
    expect(await inSlot()).toEqual(Buffer.from(image));
    expect(await reported(device)).toMatchObject({ counter: 2, state: "verified" });
    expect(await device.confirmBoot()).toBe("nothing");
    home.slots.boot();
    expect(await (await open()).confirmBoot()).toBe("installed");
    expect(await reported(device)).toMatchObject({ counter: 2, state: "installed" });
    expect(await home.slots.status()).toMatchObject({ running: { counter: 2 }, trial: false });
    const after = await open();
    expect(after.status()).toMatchObject({ firmware: { version: "2.0.0", counter: 2 } });
    expect(await after.updateFirmware()).toBeNull();
  });

  test("ok/the new firmware does not come up: rolled back", async () => {
    await publishRelease(bench, makeRelease(image));
    const device = await open();
    await device.updateFirmware();
    home.slots.bootAndFail();
    expect(await (await open()).confirmBoot()).toBe("rolled-back");
    expect(await reported(device)).toMatchObject({ counter: 2, state: "rolled-back" });
    expect((await open()).status()).toMatchObject({ firmware: { counter: 1 } });
  });

  test("ok/a release that was rolled back is taken again on request alone", async () => {
    await publishRelease(bench, makeRelease(image));
    await (await open()).updateFirmware();
    home.slots.bootAndFail();
    await (await open()).confirmBoot();
    const device = await open();
    expect(await device.checkFirmware()).toBeNull();
    expect(await device.updateFirmware()).toBeNull();
    expect(device.status()).toMatchObject({ givenUp: [2] });
    expect(await reported(device)).toMatchObject({ counter: 2, state: "rolled-back" });
    expect(await device.updateFirmware({ again: true })).toMatchObject({ counter: 2 });
    home.slots.boot();
    expect(await device.confirmBoot()).toBe("installed");
    expect(device.status()).toMatchObject({ givenUp: [] });
  });

  test("ok/one that a forgetful service offers again is no offer either", async () => {
    await publishRelease(bench, makeRelease(image));
    await (await open()).updateFirmware();
    home.slots.bootAndFail();
    await (await open()).confirmBoot();
    await publishRelease(bench, makeRelease(image), bench.service.releaseKey, { counter: 3, exp: present + 9_999 });
    const device = await open();
    expect(await device.checkFirmware()).toBeNull();
    expect(device.status().update).toBeUndefined();
    expect(await device.checkFirmware({ again: true })).toMatchObject({ counter: 2 });
  });

  test("ok/a whole number of records, and a single short one", async () => {
    for (const [counter, size] of [
      [2, 131_072],
      [3, 5],
    ] as const) {
      await publishRelease(bench, makeRelease(image.subarray(0, size), { counter }));
      const device = await open();
      await device.updateFirmware();
      expect((await inSlot()).subarray(0, size)).toEqual(Buffer.from(image.subarray(0, size)));
      home.slots.boot();
      expect(await device.confirmBoot()).toBe("installed");
    }
  });

  test("ok/the content key is stored only while it is needed", async () => {
    const release = makeRelease(image);
    const key = Buffer.from(release.contentKey).toString("base64url");
    await publishRelease(bench, release);
    const device = await open();
    await device.checkFirmware();
    expect(JSON.stringify(await home.state.load())).toContain(key);
    await device.updateFirmware();
    expect(JSON.stringify(await home.state.load())).not.toContain(key);
  });
});

describe("a power cut anywhere", () => {
  for (const strike of ["before", "after"] as const) {
    test(`ok/${strike} any call from check to installed`, async () => {
      const points = await atEveryCall({
        strike,
        start: async () => {
          await start();
          await publishRelease(bench, makeRelease(small));
          return home;
        },
        run: async (ports) => {
          // Power that comes back is a restart, and what every firmware does first is to say that it runs.
          for (let restarts = 0; restarts < 3; restarts += 1) {
            home.slots.boot();
            const device = await Device.open({ ports, options: patient() });
            await device.confirmBoot();
            // Power that fails during the trial is a roll-back, which somebody has to ask to try again.
            if (device.status().firmware?.counter !== 2) await device.updateFirmware({ again: true });
          }
        },
        check: async (_, where) => {
          const device = await open();
          expect(await inSlot(), where).toEqual(Buffer.from(small));
          expect(await home.slots.status(), where).toMatchObject({ running: { counter: 2 }, trial: false });
          expect(device.status(), where).toMatchObject({ firmware: { counter: 2 }, pending: [] });
          expect(await reported(device), where).toMatchObject({ counter: 2, state: "installed" });
        },
      });
      expect(points).toBeGreaterThanOrEqual(20);
    });
  }
});

describe("what a relay may do to the image", () => {
  const ranges: unknown[] = [];
  const through = (
    change: (stream: HttpStream, transfer: number) => Promise<HttpStream> | HttpStream,
  ): Partial<MessageTransport> => {
    let transfers = 0;
    ranges.length = 0;
    return {
      async get(url, range) {
        const stream = await home.messages.get(url, range);
        if (!url.includes("/firmware/")) return stream;
        ranges.push(range);
        transfers += 1;
        return change(stream, transfers);
      },
    };
  };
  beforeEach(async () => publishRelease(bench, makeRelease(image)));

  test("ok/cut short again and again: goes on where it was", async () => {
    const device = await open(through((stream) => cut(stream, 90_000)));
    await device.updateFirmware();
    expect(await inSlot()).toEqual(Buffer.from(image));
    expect(ranges).toEqual([undefined, undefined, { first: 90_000 }, { first: 180_000 }]);
  });

  test("ok/damaged once in each record: that record alone again", async () => {
    const device = await open(
      through((stream, transfer) => (transfer % 2 === 1 && transfer < 6 ? damage(stream, 21 + 100_000) : stream)),
    );
    await device.updateFirmware();
    expect(await inSlot()).toEqual(Buffer.from(image));
  });

  test("ok/Range ignored", async () => {
    const first = { value: true };
    const device = await open({
      async get(url, range) {
        const whole = await home.messages.get(url);
        if (!url.includes("/firmware/")) return whole;
        if (first.value) {
          first.value = false;
          return cut(whole, 100_000);
        }
        return range ? whole : whole;
      },
    });
    await device.updateFirmware();
    expect(await inSlot()).toEqual(Buffer.from(image));
  });

  test("fails/always damaged: nothing unverified is ever written, and it is not called failed", async () => {
    const written: number[] = [];
    const slots = {
      ...home.slots,
      write: async (offset: number, bytes: Uint8Array) => {
        written.push(offset);
        await home.slots.write(offset, bytes);
      },
    };
    const device = await Device.open({
      ports: {
        ...home,
        slots,
        messages: { ...home.messages, ...through((stream) => damage(stream, 21 + 65_553 + 9)) },
      },
      options: { ...patient(), maxWaitSeconds: 60 },
    });
    await expect(device.updateFirmware()).rejects.toMatchObject({ code: "no-answer" });
    expect(written).toEqual([0]);
    expect(await reported(device)).toMatchObject({ state: "downloading" });
    expect(device.status().update?.stage).toBe("downloading");
    await (await open()).updateFirmware();
    expect(await inSlot()).toEqual(Buffer.from(image));
  });

  test("ok/a slot that was harmed while off is written again from there", async () => {
    const device = await open(
      through((stream) => cut(stream, 140_000)),
      0,
    );
    await expect(device.updateFirmware()).rejects.toMatchObject({ code: "no-answer" });
    const harmed = await inSlot();
    harmed[70_000] = (harmed[70_000] ?? 0) ^ 1;
    await home.slots.write(0, harmed);
    await (await open()).updateFirmware();
    expect(await inSlot()).toEqual(Buffer.from(image));
  });

  test("fails/a 206 that starts behind what was asked for", async () => {
    const device = await open(
      { get: async (url, range) => ({ ...(await home.messages.get(url, range)), first: 5, body: pieces(image) }) },
      20,
    );
    await expect(device.updateFirmware()).rejects.toMatchObject({ code: "no-answer" });
    expect(await inSlot()).toHaveLength(0);
  });
});

describe("manifests that are not for this device", () => {
  const cases = {
    "another model": { model: "valve" },
    "other hardware": { hardware: ["r9"] },
    "the running release": { counter: 1 },
    "an expired one": { exp: present - 1 },
  };
  for (const [name, change] of Object.entries(cases)) {
    test(`fails/${name}: rejected, nothing stored`, async () => {
      // What a hostile or broken message function might offer: the registry itself would not.
      const release = makeRelease(image, change);
      await publishRelease(bench, release, bench.service.releaseKey, { counter: 50, exp: present + 9_999 });
      const device = await open();
      await expect(device.checkFirmware()).rejects.toMatchObject({ code: "firmware-rejected" });
      expect(device.status()).toMatchObject({ pending: [] });
      expect(device.status().update).toBeUndefined();
    });
  }

  test("fails/an object of other content under the right key: not a byte is written", async () => {
    const release = makeRelease(image);
    const other = encryptContent(new Uint8Array(image.length), release.contentKey, release.claims.recordBytes + 17);
    await publishRelease(bench, { ...release, encrypted: other });
    await expect((await open({}, 30)).updateFirmware()).rejects.toMatchObject({ code: "no-answer" });
    expect(await inSlot()).toHaveLength(0);
  });

  test("fails/signed by a key that the trust document does not name", async () => {
    await publishRelease(bench, makeRelease(image), await signingKey());
    await expect((await open()).checkFirmware()).rejects.toMatchObject({ code: "reply-invalid" });
  });

  test("fails/records right, whole image wrong: failed is reported, the slot is not marked", async () => {
    await publishRelease(bench, makeRelease(image, { sha256: "A".repeat(43) }));
    const device = await open();
    await expect(device.updateFirmware()).rejects.toMatchObject({ code: "firmware-failed" });
    expect(await reported(device)).toMatchObject({ state: "failed", reason: "image-mismatch" });
    expect(await home.slots.status()).toMatchObject({ next: null });
  });
});

describe("a start", () => {
  test("ok/with nothing to confirm answers so, without the network", async () => {
    const silent = { post: () => Promise.reject(new Error("nobody")), get: () => Promise.reject(new Error("nobody")) };
    expect(await (await open(silent)).confirmBoot()).toBe("nothing");
    await publishRelease(bench, makeRelease(image));
    await (await open()).checkFirmware();
    expect(await (await open(silent)).confirmBoot()).toBe("nothing");
    await (await open()).updateFirmware();
    expect(await (await open(silent)).confirmBoot()).toBe("nothing");
  });

  test("ok/of a device without slots", async () => {
    const { slots: _, ...ports } = home;
    expect(await (await Device.open({ ports, options: patient() })).confirmBoot()).toBe("nothing");
  });

  test("ok/of firmware on trial that no update here knows of is confirmed, and told: it works", async () => {
    await home.slots.write(0, new Uint8Array(5));
    await home.slots.markBootable({ version: "9.0.0", counter: 9 });
    home.slots.boot();
    const device = await open();
    expect(await device.confirmBoot()).toBe("installed");
    expect(await home.slots.status()).toMatchObject({ running: { counter: 9 }, trial: false });
    expect(device.status()).toMatchObject({ firmware: { counter: 9 }, pending: [] });
    expect(await device.confirmBoot()).toBe("nothing");
  });
});

test("fails/while the running firmware is on trial the way back is not overwritten", async () => {
  await publishRelease(bench, makeRelease(image));
  const device = await open();
  await device.updateFirmware();
  home.slots.boot();
  await expect((await open()).updateFirmware()).rejects.toMatchObject({ code: "on-trial" });
});
