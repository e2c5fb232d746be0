import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { type PublishedEvent, publishedEventSchema } from "@sealpost/protocol/operator/events.ts";
import { afterAll, beforeAll, expect, inject, test, vi } from "vitest";

import { emulatorClient, isolatedEnvironment } from "../../local/emulator/aws-environment.ts";
import { setFunctionEnvironment } from "../../local/emulator/function-environment.ts";
import { repository } from "../../local/repository.ts";
import { rawDevice, registration, run, stack, temporaryFolder } from "./world.ts";

/** From the streams of the tables through the publisher and the bus to whoever reads: `sealpost events tail` is that reader. */

const { outputs, endpoint } = stack;
const stackFile = inject("stackFile");
const patience = { timeout: 60_000, interval: 200 };

let tail: ChildProcess;
let complaints = "";
const seen: PublishedEvent[] = [];
const of = (deviceId: string) => seen.filter((event) => event.deviceId === deviceId);

beforeAll(async () => {
  const folder = await temporaryFolder();
  const words = ["--stack", stackFile, "--json", "events", "tail"];
  tail = spawn(process.execPath, [join(repository, "operator", "bin.js"), ...words], {
    cwd: folder,
    env: isolatedEnvironment(folder),
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 300_000,
  });
  if (!tail.stdout || !tail.stderr) throw new Error("no pipes");
  createInterface({ input: tail.stdout }).on("line", (line) => seen.push(publishedEventSchema.parse(JSON.parse(line))));
  tail.stderr.on("data", (chunk) => (complaints += chunk));
});

afterAll(() => {
  tail.kill("SIGKILL");
});

const measured = (value: number) => ({
  stream: "meter.energy",
  records: [{ time: 1_700_000_000.5, value, unit: "Wh" }],
});

test("ok/what a device measured and what became of it arrive under ids that stay, and what cannot be read holds up nothing", async () => {
  const { deviceId, exchange, send, claimsOf } = await rawDevice();
  await exchange("register", registration, { seq: 1 });
  await send(claimsOf("readings", measured(1), { seq: 2 }), 2);
  await vi.waitFor(
    () =>
      expect(of(deviceId).map(({ type }) => type)).toEqual(
        expect.arrayContaining(["device.certified", "device.registered", "readings"]),
      ),
    patience,
  );
  const readings = of(deviceId).filter(({ type }) => type === "readings");
  expect(new Set(readings.map(({ id }) => id))).toEqual(new Set([`${deviceId}/2`]));
  expect(readings[0]).toMatchObject({ target: `device#${deviceId}`, detail: { seq: 2, ...measured(1) } });
  const registered = of(deviceId).find(({ type }) => type === "device.registered");
  expect(registered?.id).toMatch(new RegExp(`^device#${deviceId}/\\d{4}-.*#`));
  expect(registered).toMatchObject({ actor: `device#${deviceId}`, detail: registration });

  const poisoned = randomUUID();
  const tables = new DynamoDBClient(emulatorClient(endpoint));
  const Item = { deviceId: { S: poisoned }, item: { S: "window" }, readings: { B: randomBytes(40) } };
  await tables.send(new PutItemCommand({ TableName: outputs["DevicesTable"], Item }));
  tables.destroy();
  await exchange("readings", measured(2), { seq: 3 });
  await vi.waitFor(() => expect(of(deviceId).map(({ id }) => id)).toContain(`${deviceId}/3`), patience);

  const queue = new SQSClient(emulatorClient(endpoint));
  const parked: string[] = [];
  await vi.waitFor(async () => {
    const { Messages = [] } = await queue.send(
      new ReceiveMessageCommand({ QueueUrl: outputs["ParkedQueueUrl"], MaxNumberOfMessages: 10 }),
    );
    parked.push(...Messages.map(({ Body = "" }) => Body));
    expect(parked.join("\n")).toContain(poisoned);
  }, patience);
  queue.destroy();
  expect(JSON.parse(parked.find((body) => body.includes(poisoned)) ?? "{}")).toMatchObject({ why: "unreadable" });
  expect(of(poisoned)).toEqual([]);
});

test("ok/what a target did not take is published when an operator says so, and the journal of a day once more, under the same ids", async () => {
  const { deviceId, exchange } = await rawDevice();
  await exchange("register", registration, { seq: 1 });
  const registered = () => of(deviceId).filter(({ type }) => type === "device.registered");
  await vi.waitFor(() => expect(registered()).toHaveLength(1), patience);

  const functionName = outputs["PublisherFunctionName"] ?? "";
  const mend = await setFunctionEnvironment({ endpoint, functionName, variables: { TARGET_ADDRESS: "another" } });
  await exchange("readings", measured(7), { seq: 2 });
  await vi.waitFor(async () => {
    const { stdout } = await run("sealpost", ["--stack", stackFile, "--json", "events", "redrive", "--dry-run"]);
    expect(JSON.parse(stdout)).toMatchObject({ parked: expect.toSatisfy((parked: number) => parked > 0) });
  }, patience);
  await mend();
  expect(of(deviceId).map(({ id }) => id)).not.toContain(`${deviceId}/2`);
  const redriven = await run("sealpost", ["--stack", stackFile, "--json", "events", "redrive"]);
  expect(JSON.parse(redriven.stdout).published).toBeGreaterThan(0);
  await vi.waitFor(() => expect(of(deviceId).map(({ id }) => id)).toContain(`${deviceId}/2`), patience);

  const [first] = registered();
  const day = new Date((first?.time ?? 0) * 1_000).toISOString().slice(0, 10);
  const words = ["--stack", stackFile, "--json", "events", "replay", "--since", day, "--until", day];
  const { stdout: counted } = await run("sealpost", [...words, "--dry-run"]);
  expect(registered()).toHaveLength(1);
  const replayed = await run("sealpost", words);
  expect(replayed).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(replayed.stdout)).toEqual({ day, published: JSON.parse(counted).events, parked: 0 });
  await vi.waitFor(() => expect(registered()).toEqual([first, first]), patience);
});

test("ok/the command ends with 0 when it is told to, and after its time", async () => {
  tail.kill("SIGINT");
  const [code] = tail.exitCode === null ? await once(tail, "exit") : [tail.exitCode];
  expect({ code, complaints }).toEqual({ code: 0, complaints: "" });
  const words = ["--stack", stackFile, "events", "tail", "--type", "readings", "--for", "1s"];
  expect(await run("sealpost", words)).toMatchObject({ code: 0, stderr: "" });
});
