import { randomUUID } from "node:crypto";

import { limits } from "@sealpost/protocol/limits.ts";
import { beforeEach, expect, test, vi } from "vitest";

import { withDelivered } from "../../functions/registry/commands.ts";
import { type Device, devicePuts, readDevice } from "../../functions/registry/device.ts";
import { actor, journal, present, startOperator, storeDevice } from "./operator.ts";

let operator: ReturnType<typeof startOperator>;
let deviceId: string;
beforeEach(async () => {
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  operator = startOperator();
  ({ deviceId } = (await storeDevice(operator.store, { status: "registered" })).identity);
});

const path = (...below: readonly string[]) => ["/operator/commands", deviceId, ...below].join("/");
const queue = (commandId: string, more: object = {}) =>
  operator.post(path(), { commandId, name: "valve.close", ...more });
const show = (commandId: string) => operator.get(path(commandId));
const cancel = (commandId: string) => operator.post(path(commandId, "cancel"));
const entries = async () => (await journal(operator.store, `device#${deviceId}`)).map(({ action }) => action);

/** As `commands.next` leaves it. */
async function deliver(n: number): Promise<void> {
  const device = (await readDevice(operator.store, deviceId, 1)) as Device;
  await operator.store.write(devicePuts(device, { ...device, commands: withDelivered(device.commands, n) }, 1));
}

test("ok/a command is queued under the next number, whole, with who queued it", async () => {
  const given = { arguments: { litres: 1.5 }, validSeconds: 60, repeatable: true };
  const { status, body } = await queue("one", given);
  expect([status, body]).toEqual([
    200,
    {
      deviceId,
      command: {
        n: 1,
        commandId: "one",
        name: "valve.close",
        arguments: { litres: 1.5 },
        expires: present + 60,
        repeatable: true,
        queued: present,
        queuedBy: actor,
        state: "queued",
      },
    },
  ]);
  expect(await show("one")).toEqual({ status, type: "application/json", body });
  expect((await queue("two")).body).toMatchObject({ command: { n: 2, arguments: {} } });
  expect(await entries()).toEqual(["command.queued", "command.queued"]);
});

test("ok/the same id and content is the same command, later too, and writes nothing", async () => {
  const first = await queue("one", { validSeconds: 60, arguments: { a: 1, b: [2] } });
  operator.setTime(present + 30);
  expect(await queue("one", { arguments: { b: [2], a: 1 }, validSeconds: 60 })).toEqual(first);
  operator.setTime(present + 60);
  expect((await queue("one", { validSeconds: 60, arguments: { a: 1, b: [2] } })).body).toMatchObject({
    command: { n: 1, state: "expired" },
  });
  expect(await entries()).toEqual(["command.expired", "command.queued"]);
});

test.each([
  { name: "valve.open" },
  { arguments: { litres: 2 } },
  { validSeconds: 61 },
  { validSeconds: undefined },
  { repeatable: true },
])("fails/the same id with %j in it is another command", async (other) => {
  const given = { arguments: { litres: 1 }, validSeconds: 60 };
  await queue("one", given);
  expect(await queue("one", { ...given, ...other })).toMatchObject({ status: 409, body: { code: "conflict" } });
  expect(await entries()).toEqual(["command.queued"]);
});

test("fails/a device has so many commands without an end, and one more once one has one", async () => {
  for (let n = 1; n <= limits.commands.open; n += 1) expect((await queue(`c${n}`)).status).toBe(200);
  expect(await queue("more")).toMatchObject({ status: 409, body: { code: "commands-full" } });
  expect((await queue("c1")).status).toBe(200);
  await cancel("c3");
  expect((await queue("more")).body).toMatchObject({ command: { n: limits.commands.open + 1 } });
});

test("fails/a device that has ended takes none, and one that nobody knows has none", async () => {
  await queue("one");
  await operator.post(`/operator/devices/${deviceId}/revoke`);
  expect(await queue("two")).toMatchObject({ status: 409, body: { code: "conflict" } });
  deviceId = randomUUID();
  for (const answer of [await queue("one"), await show("one"), await cancel("one"), await operator.get(path())])
    expect(answer).toMatchObject({ status: 404, body: { code: "not-found" } });
});

test("ok/revocation voids what was not delivered; of the rest nobody will know", async () => {
  await queue("one");
  await queue("two");
  await deliver(1);
  await operator.post(`/operator/devices/${deviceId}/revoke`);
  expect((await operator.get(path())).body).toMatchObject({
    commands: [
      { n: 2, state: "void", ended: present },
      { n: 1, state: "unknown", ended: present },
    ],
  });
  expect((await readDevice(operator.store, deviceId, 1))?.commands).toEqual({ highest: 2, open: [] });
});

test("ok/what was not delivered is cancelled, once; what was stays, and the answer says so", async () => {
  await queue("one");
  await queue("two");
  await deliver(1);
  expect((await cancel("one")).body).toMatchObject({ command: { state: "delivered" } });
  const cancelled = await cancel("two");
  expect(cancelled.body).toMatchObject({ command: { state: "cancelled" } });
  expect((await cancel("two")).body).toMatchObject({ command: { state: "cancelled" } });
  expect(await entries()).toEqual(["command.cancelled", "command.queued", "command.queued"]);
  expect(await cancel("three")).toMatchObject({ status: 404 });
});

test.each([
  ["a list", () => operator.get(path())],
  ["one command that is shown", () => show("kept")],
  ["another that is queued", () => queue("another")],
  ["one that is cancelled", () => cancel("kept")],
])("ok/%s stores what has expired by then, and never what was delivered", async (_, look) => {
  await queue("delivered", { validSeconds: 10 });
  await queue("late", { validSeconds: 10 });
  await queue("kept", { validSeconds: 11 });
  await deliver(1);
  operator.setTime(present + 10);
  await look();
  expect((await entries()).filter((action) => action === "command.expired")).toHaveLength(1);
  const device = await readDevice(operator.store, deviceId, 1);
  expect(device?.commands.open.map(({ n }) => n)).not.toContain(2);
  expect(device?.commands.open).toContainEqual({ n: 1, delivered: true, expires: present + 10 });
  expect((await show("late")).body).toMatchObject({ command: { state: "expired", ended: present + 10 } });
});

test("ok/a list is newest first, in pages, without content", async () => {
  for (const id of ["one", "two", "three"]) await queue(id, { arguments: { private: id } });
  const first = await operator.get(path(), { limit: "2" });
  expect(first.body).toMatchObject({ commands: [{ commandId: "three" }, { commandId: "two" }] });
  expect(JSON.stringify(first.body)).not.toContain("private");
  const rest = await operator.get(path(), { limit: "2", cursor: String(first.body["cursor"]) });
  expect(rest.body).toMatchObject({ commands: [{ commandId: "one" }] });
});

test.each([
  ["commandId", { commandId: "a b" }],
  ["name", { name: "Valve" }],
  ["arguments", { arguments: { text: "x".repeat(limits.commands.bytes) } }],
  ["validSeconds", { validSeconds: 0 }],
  ["repeatable", { repeatable: false }],
])("fails/a %s of another form is named", async (field, wrong) => {
  expect(await queue("one", wrong)).toMatchObject({ status: 400, body: { field: expect.stringContaining(field) } });
});
