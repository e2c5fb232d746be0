import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { fileFirmwareSlots } from "../../device/adapters/file-firmware-slots.ts";
import { fileKeyStore } from "../../device/adapters/file-key-store.ts";
import { fileStateStore } from "../../device/adapters/file-state-store.ts";
import { lockHome } from "../../device/adapters/home-lock.ts";
import { memoryFirmwareSlots } from "../../device/adapters/memory-firmware-slots.ts";
import { memoryKeyStore } from "../../device/adapters/memory-key-store.ts";
import { memoryStateStore } from "../../device/adapters/memory-state-store.ts";
import { thumbprints } from "../../device/keys/device-keys.ts";
import type { DeviceKeys, FirmwareSlots } from "../../device/ports.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sealpost-"));
});
afterEach(async () => rm(folder, { recursive: true, force: true }));

const printsOf = async (keys: DeviceKeys | null) => (keys ? thumbprints(keys) : null);

for (const [name, open] of Object.entries({
  memory: () => memoryKeyStore(),
  file: () => fileKeyStore(join(folder, "keys")),
})) {
  describe(`key store: ${name}`, () => {
    test("ok/created once, kept ever after", async () => {
      const store = open();
      expect(await store.load("current")).toBeNull();
      const made = await printsOf(await store.create("current"));
      expect(await printsOf(await store.create("current"))).toEqual(made);
      expect(await printsOf(await store.load("current"))).toEqual(made);
      expect(await store.load("next")).toBeNull();
    });

    test("ok/the candidate is another pair, and takes the place of the first", async () => {
      const store = open();
      await store.promote();
      const first = await printsOf(await store.create("current"));
      const second = await printsOf(await store.create("next"));
      expect(second?.signingKey).not.toBe(first?.signingKey);
      await store.promote();
      await store.promote();
      expect(await printsOf(await store.load("current"))).toEqual(second);
      expect(await store.load("next")).toBeNull();
    });

    test("ok/erased, twice", async () => {
      const store = open();
      await store.erase();
      await store.create("current");
      await store.create("next");
      await store.erase();
      expect(await store.load("current")).toBeNull();
      expect(await store.load("next")).toBeNull();
    });

    test("fails/private keys cannot be exported from what is handed out", async () => {
      const { signing, encryption } = await open().create("current");
      for (const { privateKey } of [signing, encryption]) {
        await expect(crypto.subtle.exportKey("jwk", privateKey)).rejects.toThrow("not extractable");
      }
    });

    test("ok/the two keys serve two purposes", async () => {
      const { signing, encryption } = await open().create("current");
      expect(signing.privateKey.usages).toEqual(["sign"]);
      expect(encryption.privateKey.usages).toEqual(["deriveBits"]);
    });
  });
}

for (const [name, open] of Object.entries({
  memory: () => memoryStateStore(),
  file: () => fileStateStore(join(folder, "deep", "state.json")),
})) {
  describe(`state store: ${name}`, () => {
    test("ok/nothing, then the last document", async () => {
      const store = open();
      expect(await store.load()).toBeNull();
      await store.save({ a: 1 });
      const document = { b: [2] };
      await store.save(document);
      document.b.push(3);
      expect(await store.load()).toEqual({ b: [2] });
    });
  });
}

const v = (counter: number) => ({ version: `${counter}.0.0`, counter });
type Slots = FirmwareSlots & { restart(comesUp: boolean): Promise<void> };
for (const [name, open] of Object.entries<() => Promise<Slots>>({
  memory: async () => {
    const slots = memoryFirmwareSlots(v(1));
    return { ...slots, restart: async (comesUp) => (comesUp ? slots.boot() : slots.bootAndFail()) };
  },
  file: async () => {
    const slots = fileFirmwareSlots(join(folder, "slots"));
    await slots.install(v(1));
    return { ...slots, restart: (comesUp) => slots.boot(comesUp) };
  },
})) {
  describe(`firmware slots: ${name}`, () => {
    test("ok/written in parts, read back, hashed", async () => {
      const slots = await open();
      expect(await slots.read(0, 10)).toHaveLength(0);
      await slots.write(0, new Uint8Array([1, 2, 3]));
      await slots.write(3, new Uint8Array([4, 5]));
      await slots.write(3, new Uint8Array([6]));
      expect([...(await slots.read(1, 3))]).toEqual([2, 3, 6]);
      const expected = await crypto.subtle.digest("SHA-256", new Uint8Array([1, 2, 3, 6]));
      expect(Buffer.from(await slots.sha256(4))).toEqual(Buffer.from(expected));
    });

    test("ok/tried, confirmed, and the slots have changed places", async () => {
      const slots = await open();
      await slots.write(0, new Uint8Array([2]));
      await slots.markBootable(v(2));
      expect(await slots.status()).toEqual({ running: v(1), trial: false, next: v(2) });
      await slots.restart(true);
      expect(await slots.status()).toEqual({ running: v(2), trial: true, next: null });
      await slots.confirm();
      await slots.restart(true);
      expect(await slots.status()).toEqual({ running: v(2), trial: false, next: null });
    });

    test("ok/tried, not confirmed: back at the next restart", async () => {
      const slots = await open();
      await slots.markBootable(v(2));
      await slots.restart(true);
      await slots.restart(true);
      expect(await slots.status()).toEqual({ running: v(1), trial: false, next: null });
    });

    test("ok/tried and dead", async () => {
      const slots = await open();
      await slots.markBootable(v(2));
      await slots.restart(false);
      expect(await slots.status()).toEqual({ running: v(1), trial: false, next: null });
    });

    test("ok/writing makes the slot no longer bootable", async () => {
      const slots = await open();
      await slots.markBootable(v(2));
      await slots.write(0, new Uint8Array([1]));
      expect((await slots.status()).next).toBeNull();
    });
  });
}

describe("files", () => {
  test("ok/readable by the owner alone, nothing left beside", async () => {
    await fileKeyStore(join(folder, "keys")).create("current");
    await fileStateStore(join(folder, "state.json")).save({});
    expect((await stat(join(folder, "keys"))).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, "keys", "current.json"))).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, "state.json"))).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(["keys", "state.json"]);
    expect(await readdir(join(folder, "keys"))).toEqual(["current.json"]);
  });

  test("fails/damaged files say which, and quote nothing", async () => {
    const keys = fileKeyStore(folder);
    await keys.create("current");
    const path = join(folder, "current.json");
    const secret = JSON.parse(await readFile(path, "utf8")).signing.d as string;
    await writeFile(path, (await readFile(path, "utf8")).slice(0, -40));
    const failure = await keys.load("current").catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "keys-missing" });
    expect(String(failure)).not.toContain(secret.slice(0, 10));
    await writeFile(join(folder, "state.json"), "{");
    await expect(fileStateStore(join(folder, "state.json")).load()).rejects.toMatchObject({ code: "home-broken" });
  });

  test.skipIf(process.getuid?.() === 0)("fails/no permission", async () => {
    await chmod(folder, 0o500);
    await expect(fileStateStore(join(folder, "state.json")).save({})).rejects.toMatchObject({ code: "home-denied" });
  });

  test("fails/a file where a folder should be", async () => {
    await writeFile(join(folder, "home"), "");
    await expect(fileStateStore(join(folder, "home", "state.json")).save({})).rejects.toMatchObject({
      code: "home-denied",
    });
    await expect(lockHome(join(folder, "home"))).rejects.toMatchObject({ code: "home-denied" });
  });
});

describe("lock", () => {
  test("fails/held: busy, then free", async () => {
    const unlock = await lockHome(folder);
    await expect(lockHome(folder)).rejects.toMatchObject({
      code: "home-busy",
      why: expect.stringContaining(String(process.pid)),
    });
    await unlock();
    await (
      await lockHome(folder)
    )();
    expect(await readdir(folder)).toEqual([]);
  });

  test("ok/the owner is gone", async () => {
    // Process ids end below 2^22 on Linux and 99,999 on macOS.
    await writeFile(join(folder, "lock"), "4999999\n");
    const unlock = await lockHome(folder);
    expect(await readFile(join(folder, "lock"), "utf8")).toBe(`${process.pid}\n`);
    await unlock();
  });
});
