import { chmod, copyFile, mkdir, mkdtemp, open, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { type Call, findExecutable, runExecutable } from "../../device/agent/executable.ts";
import { runsAsRoot } from "./support/file-systems.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sealpost-executable-"));
});
afterEach(async () => rm(folder, { recursive: true, force: true }));

async function script(text: string, name = "script"): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return file;
}

async function run(text: string, change: Partial<Call> = {}) {
  const log: string[] = [];
  const call: Call = {
    file: await script(text),
    args: ["valve", "c-1"],
    input: { open: true },
    timeoutSeconds: 20,
    graceSeconds: 1,
    outputBytes: 4_096,
    onLog: (line) => log.push(line),
    ...change,
  };
  return { ended: await runExecutable(call), log };
}

const alive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe("an executable", () => {
  test("ok/gets its words and its input, and is done with what it prints", async () => {
    const { ended, log } = await run('read line; echo "{\\"args\\": \\"$1 $2\\", \\"in\\": $line}"; echo "a b" >&2');
    expect(ended).toEqual({ kind: "done", output: { args: "valve c-1", in: { open: true } } });
    expect(log).toEqual(["a b"]);
  });

  test("ok/is found and started in a folder that is named relative to here", async () => {
    await script("echo 1");
    const found = await findExecutable(relative(process.cwd(), folder), "script");
    if (!("file" in found)) throw new Error("not found");
    expect((await run("echo 2", { file: found.file })).ended).toEqual({ kind: "done", output: 2 });
  });

  test("ok/prints nothing, and does not read", async () => {
    expect((await run("exit 0", { input: { much: "x".repeat(500_000) } })).ended).toEqual({ kind: "done" });
  });

  test("ok/says later, fails, ends by a signal", async () => {
    expect((await run("exit 75")).ended).toEqual({ kind: "later" });
    expect((await run("echo '[1]'; exit 3")).ended).toEqual({ kind: "failed", reason: "exit", exit: 3, output: [1] });
    expect((await run("kill -9 $$")).ended).toEqual({ kind: "failed", reason: "signal", signal: "SIGKILL" });
  });

  test("ok/what it prints beside the rules is done all the same, and said to be unusable", async () => {
    expect((await run("echo nonsense")).ended).toEqual({ kind: "done", unusable: "not-json" });
    expect((await run("head -c 200000 /dev/zero")).ended).toEqual({ kind: "done", unusable: "too-large" });
  });

  test("ok/its log is bounded", async () => {
    const { log } = await run("yes some-line | head -c 50000 >&2");
    expect(log.join("\n").length).toBeLessThan(11_000);
    expect(log.at(-1)).toContain("more is not logged");
  });

  test("fails/it is no program", async () => {
    const file = join(folder, "empty");
    await writeFile(file, "\u0000\u0001", { mode: 0o755 });
    expect((await run("", { file })).ended).toMatchObject({ kind: "failed" });
    expect((await run("", { file: join(folder, "absent") })).ended).toEqual({ kind: "failed", reason: "not-started" });
  });

  test("fails/a program that is being written", async () => {
    const file = join(folder, "busy");
    await copyFile("/bin/true", file);
    const writing = await open(file, "r+");
    expect((await run("", { file })).ended).toEqual({ kind: "failed", reason: "not-started" });
    await writing.close();
    expect((await run("", { file })).ended).toEqual({ kind: "done" });
  });

  test("ok/past its time its whole group is told, and then ended", async () => {
    const children = join(folder, "children");
    const { ended } = await run(`sleep 60 & echo $! > ${children}; wait`, { timeoutSeconds: 0.3 });
    expect(ended).toEqual({ kind: "failed", reason: "time-out" });
    await expect.poll(async () => alive(Number(await readFile(children, "utf8")))).toBe(false);
  });

  test("ok/one that hears nothing is ended after a grace", async () => {
    const start = performance.now();
    expect((await run("trap '' TERM; while :; do sleep 0.1; done", { timeoutSeconds: 0.3 })).ended).toEqual({
      kind: "failed",
      reason: "time-out",
    });
    expect(performance.now() - start).toBeGreaterThan(1_000);
  });

  test("ok/what it leaves behind holds nobody up, and is ended", async () => {
    const children = join(folder, "children");
    const start = performance.now();
    expect((await run(`sleep 60 & echo $! > ${children}; exit 0`)).ended).toEqual({ kind: "done" });
    expect(performance.now() - start).toBeLessThan(5_000);
    await expect.poll(async () => alive(Number(await readFile(children, "utf8")))).toBe(false);
  });

  test("ok/a signal ends it; one that aborted before keeps it from starting", async () => {
    const stop = new AbortController();
    const onStart = async () => stop.abort();
    expect((await run("sleep 60", { signal: stop.signal, onStart })).ended).toEqual({
      kind: "failed",
      reason: "stopped",
    });
    const started = join(folder, "started");
    await run(`touch ${started}`, { signal: AbortSignal.abort() });
    await expect(readFile(started)).rejects.toThrow("ENOENT");
  });

  test("ok/nothing of the agent's environment is handed on", async () => {
    process.env["SECRET_OF_THE_TEST"] = "hunter2";
    const { ended } = await run(`printf '"%s%s"' "$SECRET_OF_THE_TEST" "$SEALPOST_DEVICE_ID"`, {
      environment: { SEALPOST_DEVICE_ID: "d" },
    });
    delete process.env["SECRET_OF_THE_TEST"];
    expect(ended).toEqual({ kind: "done", output: "d" });
  });
});

describe("the folder of executables", () => {
  test("ok/finds a name", async () => {
    await script("", "valve.open");
    expect(await findExecutable(folder, "valve.open")).toEqual({ file: join(folder, "valve.open") });
    expect(await findExecutable(folder, "valve.close")).toEqual({ absent: true });
    expect(await findExecutable(join(folder, "none"), "valve.open")).toEqual({ absent: true });
  });

  test.each(["../script", "..", ".", "a/b", "", "/bin/sh", "Valve", "a\u0000", "-rf"])(
    "fails/%j is no name",
    async (name) => {
      await script("");
      expect(await findExecutable(join(folder), name)).toEqual({ absent: true });
    },
  );

  test("fails/links, folders, what others can change, what nobody may run", async () => {
    const file = await script("", "one");
    await symlink(file, join(folder, "link"));
    expect(await findExecutable(folder, "link")).toEqual({ unsafe: expect.stringContaining("not a regular file") });
    await mkdir(join(folder, "folder"));
    expect(await findExecutable(folder, "folder")).toEqual({ unsafe: expect.stringContaining("not a regular file") });
    await chmod(file, 0o775);
    expect(await findExecutable(folder, "one")).toEqual({ unsafe: expect.stringContaining("changed by others") });
    await chmod(file, 0o644);
    expect(await findExecutable(folder, "one")).toEqual({ unsafe: expect.stringContaining("not executable") });
    await chmod(file, 0o755);
    await chmod(folder, 0o777);
    expect(await findExecutable(folder, "one")).toEqual({ unsafe: expect.stringContaining("changed by others") });
  });

  test.skipIf(!runsAsRoot)("fails/what another user owns", async () => {
    const { chown } = await import("node:fs/promises");
    await chown(await script("", "one"), 12_345, 12_345);
    expect(await findExecutable(folder, "one")).toEqual({ unsafe: expect.stringContaining("another user") });
  });
});
