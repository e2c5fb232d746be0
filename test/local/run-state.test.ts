import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { cleanUp } from "../../local/process/clean-up.ts";
import { identifyProcess, isSameProcess } from "../../local/process/process-identity.ts";
import { claimRun, isRunning, readRunState } from "../../local/process/run-state.ts";

let directory: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sealpost-state-"));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await rm(directory, { recursive: true, force: true });
});

async function startChild(script = "setInterval(() => {}, 1000)"): Promise<number> {
  const child = spawn(process.execPath, ["-e", `${script}; console.log("ready")`], {
    detached: true,
    stdio: ["ignore", "pipe", "ignore"],
  });
  children.push(child);
  await once(child.stdout, "data");
  return child.pid ?? 0;
}

describe("run state", () => {
  it("ok/one claims a folder, the other is told who has it", () => {
    const claim = claimRun(directory);
    expect(() => claimRun(directory)).toThrow(`process ${process.pid}`);
    const state = readRunState(directory);
    expect(state && isRunning(state)).toBe(true);
    claim.release();
    expect(readRunState(directory)).toBeNull();
    claimRun(directory).release();
  });

  it("ok/a process id that was used again is another process", () => {
    const own = identifyProcess(process.pid);
    expect(own && isSameProcess(own)).toBe(true);
    expect(isSameProcess({ pid: process.pid, startTime: "1" })).toBe(false);
  });

  it("ok/cleans up what a dead run left, also what ignores SIGTERM", async () => {
    const polite = await startChild();
    const stubborn = await startChild("process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)");
    const dead = { up: { pid: process.pid, startTime: "1" }, children: [] };
    const identities = [polite, stubborn].map(identifyProcess);
    const state = { ...dead, children: identities.filter((each) => each !== null) };
    await writeFile(join(directory, "up.json"), JSON.stringify(state));
    await writeFile(join(directory, "stack.json"), "{}");

    const read = readRunState(directory);
    expect(read && isRunning(read)).toBe(false);
    expect(await cleanUp(directory, state, 500)).toBe(2);
    expect(identities.some((each) => each !== null && isSameProcess(each))).toBe(false);
    expect(await readdir(directory)).toEqual([]);
  });

  it("ok/does not touch a process that only has the id of a recorded one", async () => {
    const pid = await startChild();
    const state = {
      up: { pid: process.pid, startTime: "1" },
      children: [{ pid, startTime: "1" }],
    };
    await writeFile(join(directory, "up.json"), JSON.stringify(state));
    expect(await cleanUp(directory, state)).toBe(0);
    expect(identifyProcess(pid)).not.toBeNull();
  });

  it("fails/says what to do about a damaged state file", async () => {
    await writeFile(join(directory, "up.json"), "{");
    expect(() => readRunState(directory)).toThrow("is damaged");
  });
});
