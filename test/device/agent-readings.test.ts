import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { fileFirmwareSlots } from "../../device/adapters/file-firmware-slots.ts";
import { memoryReadingSpool } from "../../device/adapters/memory-reading-spool.ts";
import { memoryStateStore } from "../../device/adapters/memory-state-store.ts";
import { type Act, lineOf } from "../../device/agent/acts.ts";
import { Agent } from "../../device/agent/agent.ts";
import { RecordKeeper } from "../../device/agent/record.ts";
import { watchFolder } from "../../device/agent/folder-watch.ts";
import { Waker } from "../../device/agent/waker.ts";
import type { Device } from "../../device/device.ts";
import { DeviceError } from "../../device/device-error.ts";
import type { HttpAnswer, ReadingSpool } from "../../device/ports.ts";
import { fileReadingSpool } from "../../device/adapters/file-reading-spool.ts";
import type { AcceptedReadings } from "../../functions/registry/readings.ts";
import { type Bench, bootstrapped, memoryHome, openBench, patient, profile } from "./support/bench.ts";
import { acceptedReadings } from "./support/readings.ts";

let folder: string;
let bench: Bench;
let device: Device;
let isDiskFull: boolean;
let accepted: readonly AcceptedReadings[];
let waker: Waker;
let lines: string[];
/** Of the machine: every message takes four of them, and nothing else any, but where a test lets time pass. */
let seconds: number;
let passed: () => number;
/** Told each act. */
let told: (line: string) => void;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sealpost-readings-"));
  bench = await openBench();
  accepted = acceptedReadings(bench);
  waker = new Waker();
  lines = [];
  seconds = 1_000;
  passed = () => 0;
  isDiskFull = false;
  told = () => {};
  const home = memoryHome(bench);
  const { get, post } = home.messages;
  const messages = {
    get,
    async post(...call: Parameters<typeof post>): Promise<HttpAnswer> {
      seconds += 4;
      return post(...call);
    },
  };
  const spool = memoryReadingSpool();
  const readings: ReadingSpool = {
    ...spool,
    async take(ids) {
      if (isDiskFull) throw new DeviceError("no-space", "readings");
      return spool.take(ids);
    },
  };
  ({ device } = await bootstrapped(bench, { ...home, messages, readings }, patient()));
  await device.register(profile);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

async function runAgent(sendEverySeconds: number, record = memoryStateStore()): Promise<void> {
  const say = (act: Act) => {
    lines.push(lineOf(act));
    told(lineOf(act));
  };
  const silent = { async ready() {}, async stopping() {}, status() {}, alive() {}, close() {} };
  await Agent.run(
    {
      isEnrolled: async () => true,
      open: async () => device,
      record,
      machine: { bootId: "boot", uptimeSeconds: () => seconds + passed() },
      slots: fileFirmwareSlots(join(folder, "slots")),
      hooks: () => ({ run: async () => ({ kind: "absent" }) }),
      commands: () => ({}),
      manager: silent,
      waker,
      say,
      random: () => 0.5,
    },
    {
      profile: { firmware: profile.firmware },
      sendEverySeconds,
      renewDays: 0,
      trial: { healthySeconds: 1, withinSeconds: 2 },
    },
  );
}

const kinds = () => lines.map((line) => line.split(" (")[0]);

test("ok/a backlog lets firmware be asked for in between, and goes on at once; what comes later goes when it is seen", async () => {
  await device.send(
    "load",
    Array.from({ length: 1_500 }, (_, value) => ({ value })),
  );
  told = (line) => {
    if (line === "send: done (sent 700)")
      void device.send("load", [{ value: 1_500 }]).then(() => waker.wake("readings"));
    if (line === "send: done (sent 1)") waker.wake("stop");
  };
  await runAgent(0);
  expect(lines).toEqual(
    expect.arrayContaining(["send: done (sent 800)", "send: done (sent 700)", "send: done (sent 1)"]),
  );
  expect(kinds().filter((line) => /^(send|firmware|wait)/.test(line ?? ""))).toEqual([
    "send: done",
    "firmware: nothing-newer",
    "wait: done",
    "send: done",
    "send: done",
  ]);
  expect(accepted.flatMap(({ records }) => records.map(({ value }) => value))).toEqual(
    Array.from({ length: 1_501 }, (_, value) => value),
  );
});

test("ok/what several processes store goes together, once the wait is over", async () => {
  passed = () => performance.now() / 1_000;
  told = (line) => {
    if (line.startsWith("wait")) {
      void (async () => {
        await device.send("load", [{ value: 1 }]);
        waker.wake("readings");
        await device.send("load", [{ value: 2 }]);
      })();
    }
    if (line.startsWith("send")) waker.wake("stop");
  };
  await runAgent(0.3);
  expect(lines).toContain("send: done (sent 2)");
  expect(accepted).toHaveLength(1);
});

test("ok/readings that cannot be sent hold nothing else up, and go with a later poll", async () => {
  await device.send("load", [{ value: 1 }]);
  isDiskFull = true;
  told = (line) => {
    if (line.startsWith("wait") && isDiskFull) {
      isDiskFull = false;
      waker.wake("readings");
      waker.wake("poll");
    } else if (line.startsWith("wait")) waker.wake("stop");
  };
  await runAgent(0);
  expect(kinds().filter((line) => /^(send|firmware|wait)/.test(line ?? ""))).toEqual([
    "send: no-space",
    "firmware: nothing-newer",
    "wait: done",
    "send: done",
    "firmware: nothing-newer",
    "wait: done",
  ]);
});

test("ok/a disk that is full ends nothing: once there is room it goes on", async () => {
  await device.send("load", [{ value: 1 }]);
  isDiskFull = true;
  const record = memoryStateStore();
  const full = {
    ...record,
    save: async (document: object) => {
      if (isDiskFull) throw new DeviceError("no-space", "agent.json");
      await record.save(document);
    },
  };
  told = (line) => {
    if (line.startsWith("wait:") && isDiskFull) {
      isDiskFull = false;
      waker.wake("poll");
    } else if (line.startsWith("wait:")) waker.wake("stop");
  };
  await runAgent(0, full);
  expect(kinds()).toEqual(expect.arrayContaining(["send: no-space", "send: done"]));
  expect(accepted).toMatchObject([{ records: [{ value: 1 }] }]);
  expect(await record.load()).toMatchObject({ rounds: 2, bootId: "boot" });
});

test("ok/a start of the machine is judged once, wherever the agent is killed", async () => {
  const slots = fileFirmwareSlots(join(folder, "slots"));
  for (let dies = 1; dies <= 5; dies += 1) {
    await rm(join(folder, "slots"), { recursive: true, force: true });
    await slots.install({ version: "1.0.0", counter: 1 });
    await slots.markBootable({ version: "2.0.0", counter: 2 });
    const record = memoryStateStore();
    await (await RecordKeeper.open(record, "before", 0)).change({});
    let writes = 0;
    const dying = {
      ...record,
      save: async (document: object) => {
        writes += 1;
        if (writes >= dies) throw new Error("killed");
        await record.save(document);
      },
    };
    told = (line) => void (line.startsWith("start:") && waker.wake("stop"));
    await runAgent(0, dying).catch(() => {});
    waker = new Waker();
    await runAgent(0, record);
    waker = new Waker();
    expect(await slots.status(), `at write ${dies}`).toMatchObject({ trial: true, running: { counter: 2 } });
  }
});

test("ok/a folder that cannot be watched is looked into every so often", async () => {
  let changes = 0;
  const spooled = fileReadingSpool(join(folder, "readings"));
  const watch = await watchFolder(join(folder, "readings"), 60, () => (changes += 1));
  await spooled.append([{ stream: "load", records: 1, content: "[]" }], "refuse");
  await expect.poll(() => changes).toBeGreaterThan(0);
  watch.close();
  changes = 0;
  const none = await watchFolder("/proc/version", 0, () => (changes += 1));
  await expect.poll(() => changes, { timeout: 5_000 }).toBeGreaterThan(0);
  none.close();
});
