import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { symlink, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { fileStateStore } from "../../device/adapters/file-state-store.ts";
import { lockHome } from "../../device/adapters/home-lock.ts";
import { ownMark } from "../../device/adapters/process-mark.ts";
import { isDeviceError } from "../../device/device-error.ts";
import { runsAsRoot, withoutSockets } from "./support/file-systems.ts";

const holder = fileURLToPath(new URL("./support/hold-home.ts", import.meta.url));
/** The whole of a new pid namespace: what it starts is process 1 there, as in a container. */
const asContainer = ["unshare", "--pid", "--fork", "--kill-child"];
const canUnshare = runsAsRoot && succeeds("unshare", "--pid", "--fork", "true");

let folder: string;
let home: string;
const started: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sealpost-lock-"));
  home = join(folder, "home");
});
afterEach(async () => {
  for (const child of started.splice(0)) await end(child);
  await rm(folder, { recursive: true, force: true });
});

function succeeds(command: string, ...words: string[]): boolean {
  try {
    execFileSync(command, words, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** @returns what it says first */
async function start(path: string, wrapper: readonly string[] = []): Promise<{ child: ChildProcess; says: string }> {
  const [command = "", ...words] = [...wrapper, process.execPath, "--no-warnings", holder, path];
  const child = spawn(command, words, { stdio: ["pipe", "pipe", "inherit"] });
  started.push(child);
  const [says] = (await once(createInterface(child.stdout), "line")) as [string];
  return { child, says };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

const entries = async () => (await readdir(home)).filter((name) => name.includes("lock"));

async function free(): Promise<void> {
  const unlock = await lockHome(home);
  await unlock();
  expect(await entries()).toEqual([]);
}

test("fails/held: busy, then free, and nothing is left", async () => {
  const unlock = await lockHome(home);
  await expect(lockHome(home)).rejects.toMatchObject({
    code: "home-busy",
    why: expect.stringContaining(`process ${process.pid} works in`),
  });
  await unlock();
  await free();
  expect(await readdir(home)).toEqual([]);
});

test("ok/killed while it held: free at once, whatever its number is now", async () => {
  const { child, says } = await start(home);
  expect(says).toBe("held");
  expect((await start(home)).says).toContain(`home-busy: process ${child.pid}`);
  await end(child);
  expect(await entries()).toHaveLength(1);
  await free();
});

test("fails/held by a process that is stopped", async () => {
  const { child } = await start(home);
  child.kill("SIGSTOP");
  await expect(lockHome(home)).rejects.toMatchObject({ code: "home-busy", why: expect.stringContaining("not answer") });
  child.kill("SIGCONT");
});

test.skipIf(!canUnshare)("ok/killed as process 1 of a container, then started again there", async () => {
  const first = await start(home, asContainer);
  expect(first.says).toBe("held");
  await end(first.child);
  const second = await start(home, asContainer);
  expect(second.says).toBe("held");
  second.child.stdin?.end();
  await once(second.child, "exit");
  await free();
});

test.skipIf(!canUnshare)("fails/held by a container: busy for another one and for the machine", async () => {
  const { says } = await start(home, asContainer);
  expect(says).toBe("held");
  expect((await start(home, asContainer)).says).toMatch(/^home-busy: process 1 of another container/);
  await expect(lockHome(home)).rejects.toMatchObject({ code: "home-busy" });
});

test("ok/several at once, again and again: one has it, and the others know", async () => {
  for (let round = 0; round < 50; round += 1) {
    const tries = await Promise.allSettled(Array.from({ length: 2 + (round % 4) }, () => lockHome(home)));
    const held = tries.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    expect(held, `round ${round}`).toHaveLength(1);
    const told = tries.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
    expect(told.every((error) => isDeviceError(error) && error.code === "home-busy")).toBe(true);
    await held[0]?.();
  }
  await free();
}, 60_000);

test("ok/two processes at once, on a lock that a dead one left: one has it", async () => {
  for (let round = 0; round < 4; round += 1) {
    const both = await Promise.all([start(home), start(home)]);
    expect(both.map(({ says }) => says.split(":")[0]).sort()).toEqual(["held", "home-busy"]);
    for (const { child } of both) await end(child);
  }
}, 60_000);

test("ok/a home whose path is too long for a socket", async () => {
  home = join(folder, "a".repeat(100), "b".repeat(100));
  const { child, says } = await start(home);
  expect(says).toBe("held");
  await expect(lockHome(home)).rejects.toMatchObject({ code: "home-busy" });
  await end(child);
  await free();
});

describe("where there are no sockets, a file says which process it is", () => {
  const name = (digit: string) => `lock.${digit.repeat(24)}`;
  const leave = async (mark: object | string) => {
    await mkdir(home, { recursive: true, mode: 0o700 });
    await writeFile(join(home, name("0")), typeof mark === "string" ? mark : JSON.stringify(mark));
  };

  test("ok/its process is gone: another start of the machine, the same number used again, cut off by a power cut", async () => {
    const own = await ownMark();
    for (const mark of [
      { ...own, boot: "another" },
      { ...own, started: own.started === null ? null : `${own.started}0` },
      { ...own, started: null },
      // Process ids end below 2^22 on Linux and 99,999 on macOS.
      { ...own, pid: 4_999_999 },
      "",
    ]) {
      await leave(mark);
      await (
        await lockHome(home)
      )();
      expect(await entries(), JSON.stringify(mark)).toEqual([]);
    }
  });

  test("fails/its process lives, or cannot be looked for", async () => {
    const own = await ownMark();
    await leave(own);
    await expect(lockHome(home)).rejects.toMatchObject({ code: "home-busy" });
    await leave({ ...own, namespace: "pid:[1]" });
    await expect(lockHome(home)).rejects.toMatchObject({
      code: "home-busy",
      why: expect.stringContaining("another container"),
    });
  });

  test("ok/on a FAT file system: held, busy, killed, free; several at once", async ({ skip, onTestFinished }) => {
    const mounted = withoutSockets();
    if (!mounted) return skip("this machine does not let a test mount one");
    onTestFinished(() => mounted.unmount());
    home = join(mounted.path, "home");
    const { child, says } = await start(home);
    expect(says).toBe("held");
    expect((await stat(join(home, (await entries())[0] ?? ""))).isFile()).toBe(true);
    await expect(lockHome(home)).rejects.toMatchObject({ code: "home-busy" });
    await end(child);
    await free();
    for (let round = 0; round < 2; round += 1) {
      const both = await Promise.all([start(home), start(home)]);
      expect(both.map((one) => one.says.split(":")[0]).sort()).toEqual(["held", "home-busy"]);
      for (const one of both) await end(one.child);
    }
    const state = fileStateStore(join(home, "state.json"));
    await state.save({ a: 1 });
    await state.save({ a: 2 });
    expect(JSON.parse(await readFile(join(home, "state.json"), "utf8"))).toEqual({ a: 2 });
  }, 60_000);
});

test("fails/a link in the place of another's entry is not followed", async () => {
  await mkdir(home, { mode: 0o700 });
  const target = join(folder, "target");
  await symlink(target, join(home, `lock.${"0".repeat(24)}`));
  await expect(lockHome(home)).rejects.toMatchObject({ code: "home-denied", why: expect.stringContaining("ELOOP") });
  await expect(stat(target)).rejects.toMatchObject({ code: "ENOENT" });
});
