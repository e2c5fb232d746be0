import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { readCommands, settleCommand } from "../../functions/registry/command-items.ts";
import { withDelivered } from "../../functions/registry/commands.ts";
import { type Device, devicePuts, readDevice } from "../../functions/registry/device.ts";
import { main } from "../../operator/cli.ts";
import { credentials, startApi } from "./api-server.ts";
import { present, startOperator, storeDevice } from "./operator.ts";
import { catchPrinted } from "./printed.ts";
import { localStack } from "./stacks.ts";

let folder: string;
let operator: ReturnType<typeof startOperator>;
let api: Awaited<ReturnType<typeof startApi>>;
let caught: ReturnType<typeof catchPrinted>;
let deviceId: string;

beforeEach(async () => {
  caught = catchPrinted();
  folder = await mkdtemp(join(tmpdir(), "sealpost-command-"));
  operator = startOperator();
  api = await startApi(operator);
  const urls = {
    operatorUrl: `https://a1.execute-api.localhost:${api.port}`,
    bootstrapUrl: `https://localhost:${api.port}/bootstrap`,
  };
  await writeFile(join(folder, "stack.json"), JSON.stringify(localStack({ ...urls, ca: api.ca, credentials })));
  deviceId = await newDevice();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await api.close();
  await rm(folder, { recursive: true });
});

const newDevice = async () => (await storeDevice(operator.store, { status: "registered" })).identity.deviceId;
const run = async (...words: string[]) => {
  caught.clear();
  const code = await main(["node", "sealpost", "--stack", join(folder, "stack.json"), "command", ...words]);
  return { code, ...caught.printed };
};
const json = async (...words: string[]) => JSON.parse((await run(...words, "--json")).out);
const devicesFile = async (text: string) => {
  const path = join(folder, "devices.txt");
  await writeFile(path, text);
  return path;
};

async function deliver(n: number): Promise<void> {
  const device = (await readDevice(operator.store, deviceId, 1)) as Device;
  await operator.store.write(devicePuts(device, { ...device, commands: withDelivered(device.commands, n) }, 1));
}

async function settle(n: number, output: unknown): Promise<void> {
  const device = (await readDevice(operator.store, deviceId, 1)) as Device;
  const [record] = await readCommands(operator.store, deviceId, [n]);
  if (!record) throw new Error("no command");
  const said = { status: "done", output: JSON.stringify(output) } as const;
  const { commands, puts, events } = settleCommand(device.commands, record, said, present);
  const how = { events, puts, actor: `device#${deviceId}`, time: present };
  await operator.store.write(devicePuts(device, { ...device, commands }, 1, how));
}

test("ok/send prints the id that it made, which cannot be taken for an option", async () => {
  const { code, out } = await run("send", deviceId, "valve.close", "--arguments", '{"litres":2}', "--valid", "15m");
  const commandId = /Command ([A-Za-z0-9_][A-Za-z0-9_-]{21}) \(valve\.close\)/u.exec(out)?.[1] ?? "";
  expect([code, out]).toEqual([0, expect.stringContaining("queued (the device has not been given it)")]);
  const shown = await run("show", deviceId.slice(0, 8), commandId.slice(0, 6));
  expect(shown.code).toBe(0);
  expect(shown.out).toContain('{"litres":2}');
  expect(await json("list", deviceId)).toMatchObject({
    commands: [{ commandId, state: "queued", expires: present + 900 }],
  });
});

test("ok/send again under an id is the same command, and other content is refused", async () => {
  const first = await json("send", deviceId, "restart", "--id", "r1");
  expect(await json("send", deviceId, "restart", "--id", "r1")).toEqual(first);
  expect((await run("send", deviceId, "restart", "--id", "r1", "--repeatable")).code).toBe(4);
});

test.each([
  ["one word", ["DEVICE"]],
  ["a name of another form", ["DEVICE", "Restart"]],
  ["three words", ["DEVICE", "restart", "now"]],
  ["a device of another form", ["x", "restart"]],
  ["arguments that are no object", ["DEVICE", "restart", "--arguments", "[1]"]],
  ["arguments that are no JSON", ["DEVICE", "restart", "--arguments", "{"]],
  ["arguments of a file that is not there", ["DEVICE", "restart", "--arguments", "@/none"]],
  ["an id of another form", ["DEVICE", "restart", "--id", "a b"]],
  ["a time of another form", ["DEVICE", "restart", "--valid", "soon"]],
])("fails/%s is wrong usage, and nothing is queued", async (_, words) => {
  const given = words.map((word) => (word === "DEVICE" ? deviceId : word));
  expect((await run("send", ...given)).code).toBe(2);
  expect((await json("list", deviceId)).commands).toEqual([]);
});

test("ok/arguments come from a file", async () => {
  const path = join(folder, "arguments.json");
  await writeFile(path, '{ "seconds": 60 }\n');
  expect(await json("send", deviceId, "interval.set", "--arguments", `@${path}`)).toMatchObject({
    command: { arguments: { seconds: 60 } },
  });
});

test("ok/a command to many has a row a device, and again under its id it goes on", async () => {
  const ids = [deviceId, ...(await Promise.all(Array.from({ length: 11 }, newDevice)))];
  const unknown = randomUUID();
  const path = await devicesFile(`# site 7\n${[...ids, unknown].join("   # a meter\n")}\n\n`);
  const send = ["send", "restart", "--devices", path, "--id", "r1"];
  const { code, out, error } = await run(...send, "--json");
  expect(code).toBe(7);
  expect(error).toContain("1 of 13 devices");
  const { devices } = JSON.parse(out);
  expect(devices.map((row: { deviceId: string }) => row.deviceId)).toEqual([...ids, unknown]);
  expect(devices.at(-1)).toMatchObject({ error: { code: "refused" } });
  await storeDevice(operator.store, { status: "registered" }, unknown);
  const again = await run(...send);
  expect(again.code).toBe(0);
  expect(again.out.split("\n").filter((line) => / queued +1 /u.test(line))).toHaveLength(13);
});

test("fails/to many, where nobody takes it, it ends as it does for one", async () => {
  const path = await devicesFile([randomUUID(), randomUUID()].join("\n"));
  expect((await run("send", "restart", "--devices", path)).code).toBe(4);
});

test.each([
  ["an id that is not whole", (id: string) => `${id}\n${id.slice(0, 8)}`, "Line 2"],
  ["a device twice", (id: string) => `${id}\n# …\n${id}`, "line 1 again"],
  ["nobody", () => "# none\n", "names no device"],
])("fails/a file with %s is refused whole", async (_, text, says) => {
  const path = await devicesFile(text(deviceId));
  const { code, error } = await run("send", "restart", "--devices", path);
  expect([code, error]).toEqual([2, expect.stringContaining(says)]);
  expect((await json("list", deviceId)).commands).toEqual([]);
});

test("ok/cancel takes back what was not delivered, and says of the rest what it is", async () => {
  await run("send", deviceId, "restart", "--id", "r1");
  await run("send", deviceId, "restart", "--id", "r2");
  await deliver(1);
  expect(await run("cancel", deviceId, "r2")).toMatchObject({ code: 0, out: expect.stringContaining("cancelled") });
  const late = await run("cancel", deviceId, "r1");
  expect(late).toMatchObject({ code: 4, error: expect.stringContaining("may have executed it") });
});

test("ok/show waits until there is an end, and tells the device's words as text", async () => {
  await run("send", deviceId, "restart", "--id", "r1");
  await deliver(1);
  const waiting = run("show", deviceId, "r1", "--wait", "30s");
  setTimeout(() => void settle(1, { said: "\u009b31m\u202e" }), 300);
  const { code, out } = await waiting;
  expect(code).toBe(0);
  expect(out).toContain("done: executed");
  expect(out).toContain(String.raw`{"said":"\u009b31m\u202e"}`);
});

test("fails/a wait that ends first says so, and shows what is so", async () => {
  await run("send", deviceId, "restart", "--id", "r1");
  const { code, out, error } = await run("show", deviceId, "r1", "--wait", "1s");
  expect([code, out, error]).toEqual([7, expect.stringContaining("queued:"), expect.stringContaining("no end yet")]);
});

test("fails/an id that several begin with, or none", async () => {
  for (const id of ["restart-1", "restart-2"]) await run("send", deviceId, "restart", "--id", id);
  expect(await run("show", deviceId, "rest")).toMatchObject({ code: 2, error: expect.stringContaining("Several") });
  expect(await run("show", deviceId, "stop")).toMatchObject({ code: 2, error: expect.stringContaining("No id") });
});
