import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";

import { fileReadingSpool } from "../../device/adapters/file-reading-spool.ts";
import { memoryReadingSpool } from "../../device/adapters/memory-reading-spool.ts";
import { Device } from "../../device/device.ts";
import type { AcceptedReadings } from "../../functions/registry/readings.ts";
import { atEveryCall } from "./support/crash.ts";
import { type Bench, type Home, bootstrapped, memoryHome, openBench, patient, profile } from "./support/bench.ts";
import { acceptedReadings } from "./support/readings.ts";

let bench: Bench;
let home: Home;
let device: Device;
let accepted: readonly AcceptedReadings[];

beforeEach(start);
afterEach(() => vi.restoreAllMocks());

async function start(): Promise<void> {
  bench = await openBench();
  accepted = acceptedReadings(bench);
  home = { ...memoryHome(bench), readings: memoryReadingSpool() };
  ({ device } = await bootstrapped(bench, home));
  await device.register(profile);
}

const valuesOf = () => accepted.flatMap(({ records }) => records.map(({ value }) => value));

test("ok/stored, then sent oldest first in batches of one stream, with the service's time", async () => {
  for (let value = 0; value < 250; value += 1) await device.send("load", [{ value }]);
  expect(await device.send("water", [{ value: "w", time: new Date(5_000) }])).toEqual({ stored: 1, dropped: 0 });
  expect(bench.posted.filter((url) => url.endsWith("/messages"))).toHaveLength(1);
  expect(await device.flushReadings()).toEqual({ sent: 251, refused: 0, unknown: 0 });
  expect(valuesOf()).toEqual([...Array.from({ length: 250 }, (_, value) => value), "w"]);
  expect(accepted).toHaveLength(4);
  expect(accepted[0]).toMatchObject({
    stream: "load",
    records: expect.arrayContaining([{ time: bench.now, value: 0 }]),
  });
  expect(accepted[3]).toMatchObject({ records: [{ time: 5, value: "w" }] });
  expect(await device.readingStatus()).toEqual({ records: 0, bytes: 0, dropped: 0, refused: 0 });
});

test("ok/a device that does not know the time says how long it is up, and converts once it knows", async () => {
  const uptime = { bootId: async () => "boot-2", seconds: () => 100 };
  const restarted = await Device.open({ ports: { ...home, uptime }, options: patient() });
  await restarted.send("load", [{ value: 1 }]);
  const [entry] = await home.readings!.list();
  expect(JSON.parse((await home.readings!.take([entry!.id]))[0] ?? "")).toEqual([
    { uptime: 100, bootId: "boot-2", value: 1 },
  ]);
  await restarted.register(profile);
  await restarted.flushReadings();
  expect(accepted).toMatchObject([{ records: [{ time: bench.now, value: 1 }] }]);
});

test("ok/a power cut at any call: every record once", async () => {
  for (const strike of ["before", "after"] as const) {
    const points = await atEveryCall({
      strike,
      start: async () => {
        vi.restoreAllMocks();
        await start();
        await home.readings!.append([{ stream: "load", records: 1, content: '[{"time":1,"value":1}]' }], "refuse");
        await home.readings!.append([{ stream: "water", records: 1, content: '[{"time":2,"value":2}]' }], "refuse");
        return home;
      },
      run: async (ports) => void (await (await Device.open({ ports, options: patient() })).flushReadings()),
      check: async (ports, where) => {
        expect(valuesOf(), where).toEqual([1, 2]);
        expect(await ports.readings!.list(), where).toEqual([]);
      },
    });
    expect(points).toBeGreaterThan(8);
  }
});

test("fails/a state that was put back: the number is used, the readings go out under another", async () => {
  const before = await home.state.load();
  await device.register({ ...profile, hardware: "r3" });
  await home.state.save(before as object);
  const back = await Device.open({ ports: home, options: patient() });
  await back.send("load", [{ value: 7 }]);
  expect(await back.flushReadings()).toMatchObject({ sent: 1 });
  expect(valuesOf()).toEqual([7]);
});

test("fails/what no parser of the service would take is refused here, where it can be told", async () => {
  let deep: object = {};
  for (let level = 0; level < 14; level += 1) deep = { deep };
  for (const reading of [{ data: { deep } }, { value: "\ud800" }, {}, { value: 1, time: new Date(Number.NaN) }]) {
    await expect(device.send("load", [{ value: 1 }, reading])).rejects.toMatchObject({
      code: "argument-invalid",
      why: expect.stringContaining("record 2"),
    });
  }
  await expect(device.send("Load", [{ value: 1 }])).rejects.toMatchObject({ code: "argument-invalid" });
  await expect(device.send("load", [{ data: { big: "x".repeat(66_000) } }])).rejects.toMatchObject({
    code: "argument-invalid",
  });
  expect(await device.readingStatus()).toMatchObject({ records: 0 });
});

test("fails/an entry that nobody can read is counted and stops nobody", async () => {
  await home.readings!.append([{ stream: "load", records: 3, content: "?" }], "refuse");
  await device.send("load", [{ value: 1 }]);
  await device.flushReadings();
  expect(valuesOf()).toEqual([1]);
  expect(await device.readingStatus()).toMatchObject({ records: 0, dropped: 3 });
});

test("fails/an entry that holds nothing is passed over", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sealpost-empty-"));
  onTestFinished(async () => rm(folder, { recursive: true, force: true }));
  const readings = fileReadingSpool(folder);
  await readings.append([{ stream: "load", records: 1, content: "[]" }], "refuse");
  const measuring = await Device.open({ ports: { ...home, readings }, options: patient() });
  await measuring.send("load", [{ value: 2 }]);
  expect(await measuring.flushReadings()).toMatchObject({ sent: 1 });
  expect(valuesOf()).toEqual([2]);
  await readings.append([{ stream: "load", records: 1, content: "[]" }], "refuse");
  expect(await measuring.flushReadings()).toMatchObject({ sent: 0 });
  expect(await readings.status()).toMatchObject({ records: 0, dropped: 2 });
});

test("ok/what matters more goes between the messages of a backlog", async () => {
  await device.send(
    "load",
    Array.from({ length: 250 }, (_, value) => ({ value })),
  );
  let looks = 0;
  const pending: number[] = [];
  await device.flushReadings({
    between: async () => {
      looks += 1;
      pending.push(device.status().pending?.length ?? 0);
    },
  });
  expect(looks).toBe(4);
  expect(pending).toEqual([0, 0, 0, 0]);
});

test("ok/a backlog is left where the caller says so, and gone on with", async () => {
  await device.send(
    "load",
    Array.from({ length: 350 }, (_, value) => ({ value })),
  );
  let left = 2;
  const between = async () => (left -= 1) >= 0;
  expect(await device.flushReadings({ between })).toEqual({ sent: 200, refused: 0, unknown: 0 });
  expect(await device.flushReadings()).toEqual({ sent: 150, refused: 0, unknown: 0 });
  expect(valuesOf()).toEqual(Array.from({ length: 350 }, (_, value) => value));
});
