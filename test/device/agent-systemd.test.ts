import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { systemdManager } from "../../device/agent/service-manager.ts";
import { startAgent } from "./support/agent.ts";
import { issueCredential, openBench } from "./support/bench.ts";
import { startLiveService } from "./support/live-service.ts";

const listenerFile = join(import.meta.dirname, "support/notify-socket.py");
/** Not every machine has systemd, and the gate needs none. */
const hasTool = (name: string) => spawnSync(name, ["--version"]).status === 0;
const analyze = "systemd-analyze";
const hasTools = hasTool("systemd-notify") && hasTool("python3");

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sealpost-systemd-"));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

async function listen() {
  const socket = join(folder, "notify");
  const child = spawn("python3", [listenerFile, socket], { stdio: ["ignore", "pipe", "inherit"] });
  const messages: string[] = [];
  let rest = "";
  child.stdout.on("data", (piece: Buffer) => {
    const lines = `${rest}${piece.toString()}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) messages.push(String(JSON.parse(line)));
  });
  await expect.poll(() => messages).toContain("listening");
  return { socket, messages, close: () => child.kill("SIGKILL") };
}

const start = { act: "start", outcome: "agent" } as const;

describe.skipIf(!hasTools)("with systemd-notify", () => {
  test("ok/the agent says ready, that it lives and how it is, and that it stops", async () => {
    const { socket, messages, close } = await listen();
    const bench = await openBench();
    const live = await startLiveService(bench);
    const credential = { ...(await issueCredential(bench.service)), bootstrapUrl: live.bootstrapUrl, ca: live.ca };
    await writeFile(join(folder, "package.json"), JSON.stringify(credential));
    const words = ["--package", join(folder, "package.json"), "--model", "meter", "--hardware", "r2"];
    const firmware = ["--firmware-version", "1.0.0", "--firmware-counter", "1"];
    const agent = startAgent(["--home", join(folder, "home"), "--via", live.messageUrl], [...words, ...firmware], {
      NOTIFY_SOCKET: socket,
      WATCHDOG_USEC: "1000000",
    });
    try {
      await expect.poll(() => messages.some((message) => message.includes("READY=1"))).toBe(true);
      await agent.says(/^wait: done/);
      await expect
        .poll(() => messages.some((message) => /WATCHDOG=1/.test(message) && /STATUS=wait: done/.test(message)))
        .toBe(true);
      agent.child.kill("SIGTERM");
      expect(await agent.ended).toBe(0);
      await expect.poll(() => messages.some((message) => message.includes("STOPPING=1"))).toBe(true);
    } finally {
      agent.child.kill("SIGKILL");
      close();
      await live.close();
    }
  });

  test("ok/an act that shows no sign of life for too long feeds no watchdog", async () => {
    const { socket, messages, close } = await listen();
    let uptime = 0;
    const manager = systemdManager(
      { ...process.env, NOTIFY_SOCKET: socket, WATCHDOG_USEC: "100000" },
      () => uptime,
      60,
    );
    const fed = () => messages.filter((message) => message.includes("WATCHDOG=1")).length;
    manager.status(start);
    await expect.poll(fed).toBeGreaterThan(0);
    uptime = 61;
    await new Promise((resolve) => setTimeout(resolve, 500));
    const before = fed();
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(fed()).toBe(before);
    manager.alive();
    await expect.poll(fed).toBeGreaterThan(before);
    manager.close();
    close();
  });

  test("ok/a watchdog that is meant for another process is left to it", async () => {
    const { socket, messages, close } = await listen();
    const environment = { ...process.env, NOTIFY_SOCKET: socket, WATCHDOG_USEC: "100000", WATCHDOG_PID: "1" };
    const manager = systemdManager(environment, () => 0, 60);
    await new Promise((resolve) => setTimeout(resolve, 400));
    await manager.ready();
    await expect.poll(() => messages.some((message) => message.includes("READY=1"))).toBe(true);
    expect(messages.filter((message) => message.includes("WATCHDOG=1"))).toEqual([]);
    manager.close();
    close();
  });
});

test("ok/without a socket nothing is started", async () => {
  const manager = systemdManager({ PATH: "/nowhere" }, () => 0, 60);
  await manager.ready();
  await manager.stopping();
  manager.close();
  expect(manager.status(start)).toBeUndefined();
});

const unit = join(import.meta.dirname, "../../examples/systemd/sealpost-device.service");

test("ok/the unit says what the agent relies on", () => {
  const text = readFileSync(unit, "utf8");
  for (const line of ["Type=notify", "NotifyAccess=all", "KillMode=mixed", "Restart=always", "StateDirectory="]) {
    expect(text).toContain(line);
  }
  expect(text).not.toMatch(/^(ProcSubset|MemoryDenyWriteExecute)=/m);
});

test.skipIf(!hasTool(analyze))("ok/systemd-analyze verifies the unit", async () => {
  const text = readFileSync(unit, "utf8").replace("/usr/local/bin/sealpost-device", "/bin/true");
  const copy = join(folder, "sealpost-device.service");
  await writeFile(copy, text);
  const { status, stderr } = spawnSync(analyze, ["verify", "--man=no", copy], { encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});
