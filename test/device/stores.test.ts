import { chmod, link, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
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
import { smallFileSystem } from "./support/file-systems.ts";

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

    test("ok/the marker of commands: the last one, kept by a renewal, gone with the keys", async () => {
      const store = open();
      expect(await store.readMarker()).toBeNull();
      await store.create("current");
      await store.create("next");
      await store.writeMarker({ deviceId: "d", n: 1, decision: "run" });
      await store.writeMarker({ deviceId: "d", n: 2, decision: "refused" });
      await store.promote();
      expect(await store.readMarker()).toEqual({ deviceId: "d", n: 2, decision: "refused" });
      await store.erase();
      expect(await store.readMarker()).toBeNull();
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
    await writeFile(join(folder, "marker.json"), '{"n":');
    await expect(keys.readMarker()).rejects.toMatchObject({ code: "home-broken", path: join(folder, "marker.json") });
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

describe("another process on the same file", () => {
  test("fails/what it wrote meanwhile is not overwritten, nor what it made or took away", async () => {
    const path = join(folder, "state.json");
    const [ours, theirs] = [fileStateStore(path), fileStateStore(path)];
    await ours.load();
    await theirs.load();
    await theirs.save({ seq: 1 });
    await expect(ours.save({ seq: 0 })).rejects.toMatchObject({ code: "home-changed" });
    await ours.load();
    await theirs.save({ seq: 2 });
    await expect(ours.save({ seq: 0 })).rejects.toMatchObject({ code: "home-changed" });
    expect(await theirs.load()).toEqual({ seq: 2 });
    await rm(path);
    await expect(theirs.save({ seq: 3 })).rejects.toMatchObject({ code: "home-changed" });
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("a folder that others can write to", () => {
  const cases: Record<string, (path: string) => Promise<unknown>> = {
    state: async (path) => fileStateStore(join(path, "state.json")).load(),
    "state, written": async (path) => fileStateStore(join(path, "state.json")).save({}),
    keys: async (path) => fileKeyStore(path).create("current"),
    slots: async (path) => fileFirmwareSlots(path).install(v(1)),
    lock: async (path) => lockHome(path),
  };
  for (const [name, use] of Object.entries(cases)) {
    test(`fails/${name}: refused, and nothing is written`, async () => {
      for (const mode of [0o777, 0o770, 0o702]) {
        await chmod(folder, mode);
        await expect(use(folder)).rejects.toMatchObject({ code: "home-unsafe", path: folder });
        expect(await readdir(folder)).toEqual([]);
      }
      await chmod(folder, 0o755);
      await use(folder);
    });
  }
});

describe("a link in the place of a file", () => {
  let target: string;
  beforeEach(async () => {
    target = join(folder, "target");
    await writeFile(target, "before");
    await mkdir(join(folder, "home"), { mode: 0o700 });
  });
  const place = async (name: string) => symlink(target, join(folder, "home", name));

  test("fails/a slot is made anew, not written through; what is read is no link", async () => {
    const slots = fileFirmwareSlots(join(folder, "home"));
    await slots.install(v(1));
    await place("b.bin");
    await expect(slots.read(0, 6)).rejects.toMatchObject({
      code: "home-denied",
      why: expect.stringContaining("ELOOP"),
    });
    await expect(slots.write(3, new Uint8Array([1]))).rejects.toMatchObject({ code: "home-denied" });
    await slots.write(0, new Uint8Array([1]));
    expect([...(await slots.read(0, 6))]).toEqual([1]);
    expect(await readFile(target, "utf8")).toBe("before");
  });

  test("fails/a hard link to a slot is not written through either", async () => {
    const slots = fileFirmwareSlots(join(folder, "home"));
    await slots.install(v(1));
    await link(target, join(folder, "home", "b.bin"));
    await slots.write(0, new Uint8Array([1]));
    expect(await readFile(target, "utf8")).toBe("before");
  });

  test("fails/state and keys are not read from it, and replace it", async () => {
    await place("state.json");
    await place("current.json");
    const state = fileStateStore(join(folder, "home", "state.json"));
    await expect(state.load()).rejects.toMatchObject({ code: "home-denied" });
    await expect(fileKeyStore(join(folder, "home")).load("current")).rejects.toMatchObject({ code: "home-denied" });
    await state.save({});
    expect(await state.load()).toEqual({});
    expect(await readFile(target, "utf8")).toBe("before");
  });
});

test("fails/a full file system: no space, wherever it ends; what does not fit goes, so that the rest can be written", async ({
  skip,
  onTestFinished,
}) => {
  const mounted = smallFileSystem(256 << 10);
  if (!mounted) return skip("this machine does not let a test mount one");
  onTestFinished(() => mounted.unmount());
  const slots = fileFirmwareSlots(join(mounted.path, "slots"));
  await slots.install(v(1));
  await slots.write(0, new Uint8Array(100_000).fill(7));
  const state = fileStateStore(join(mounted.path, "state.json"));
  await state.save({ kept: true });
  // Takes what fits, and says so only at the next call.
  await expect(slots.write(100_000, new Uint8Array(200_000))).rejects.toMatchObject({ code: "no-space" });
  expect(await slots.read(0, 1)).toHaveLength(0);
  await state.save({ kept: "yes" });
  await writeFile(join(mounted.path, "rest"), new Uint8Array(1 << 20)).catch(() => {});
  await expect(state.save({ filler: "x".repeat(5_000) })).rejects.toMatchObject({ code: "no-space" });
  expect(await state.load()).toEqual({ kept: "yes" });
  expect(await readdir(mounted.path)).toEqual(["rest", "slots", "state.json"]);
});
