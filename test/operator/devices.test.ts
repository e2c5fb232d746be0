import { randomUUID } from "node:crypto";

import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { beforeEach, expect, test, vi } from "vitest";

import { type Device, devicePuts, readDevice } from "../../functions/registry/device.ts";
import { lifePut } from "../../functions/registry/life.ts";
import { memoryStore } from "../../functions/store/memory-store.ts";
import { actor, contendedStore, journal, present, startOperator, storeDevice } from "./operator.ts";

let operator: ReturnType<typeof startOperator>;
beforeEach(() => {
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  operator = startOperator();
});

const revoke = (deviceId: string) => operator.post(`/operator/devices/${deviceId}/revoke`);
const registration = {
  model: "meter",
  hardware: "r2",
  firmware: { version: "1.0", counter: 3 },
  capabilities: ["valve"],
  at: present,
};

test("fails/a revoked device is refused by both of its items, and the journal can restore that", async () => {
  const { identity } = await storeDevice(operator.store, { status: "registered" });
  const { deviceId, keys, certificate, credentialId } = identity;
  expect(await revoke(deviceId)).toMatchObject({ status: 200, body: { device: { deviceId, status: "revoked" } } });

  const device = await readDevice(operator.store, deviceId, 1);
  expect([device?.status, device?.identity.status]).toEqual(["revoked", "revoked"]);
  expect(await journal(operator.store, `device#${deviceId}`)).toMatchObject([
    { action: "device.revoked", actor, time: present, detail: { keys, certificate, credentialId } },
  ]);
});

test("ok/revoking keeps the window, so that what took effect keeps its outcome", async () => {
  const outcomes = new Map([[7, { status: "ok", digest: "0102030405" } as const]]);
  const { identity } = await storeDevice(operator.store, { window: { ack: 6, high: 7, outcomes }, lastSeen: present });
  await revoke(identity.deviceId);
  const device = await readDevice(operator.store, identity.deviceId, 1);
  expect(device).toMatchObject({ window: { ack: 6, high: 7 }, lastSeen: present });
  expect(device?.window.outcomes.get(7)?.status).toBe("ok");
});

test("ok/revoking again says the same and writes nothing", async () => {
  const { identity } = await storeDevice(operator.store);
  const first = await revoke(identity.deviceId);
  expect(await revoke(identity.deviceId)).toEqual(first);
  expect(await journal(operator.store, `device#${identity.deviceId}`)).toHaveLength(1);
});

test("fails/a device that has left", async () => {
  const { identity } = await storeDevice(operator.store, { status: "deregistered" });
  expect(await revoke(identity.deviceId)).toMatchObject({ status: 409, body: { code: "conflict" } });
  expect((await readDevice(operator.store, identity.deviceId, 1))?.status).toBe("deregistered");
});

test("ok/revocation wins against a device that talks all the time", async () => {
  const inner = memoryStore();
  const { identity } = await storeDevice(inner);
  let messages = 0;
  operator = startOperator({
    ...inner,
    async write(puts) {
      messages += 1;
      const device = (await readDevice(inner, identity.deviceId, 1)) as Device;
      const after = { ...device, window: { ...device.window, high: messages } };
      await inner.write(devicePuts(device, after, 1));
      return inner.write(puts);
    },
  });
  expect((await revoke(identity.deviceId)).status).toBe(200);
  expect(await readDevice(inner, identity.deviceId, 1)).toMatchObject({
    status: "revoked",
    window: { high: messages },
    stored: { window: { status: "revoked" } },
  });
});

test("fails/races that never end", async () => {
  const store = memoryStore();
  const { identity } = await storeDevice(store);
  operator = startOperator(contendedStore(Infinity, store));
  expect(await revoke(identity.deviceId)).toMatchObject({ status: 503, body: { code: "unavailable" } });
});

test("fails/a device of a later key generation is neither read nor written", async () => {
  const { identity } = await storeDevice(operator.store);
  const [window] = await operator.store.read([
    { table: "devices", key: { deviceId: identity.deviceId, item: "window" } },
  ]);
  await operator.store.write([
    { table: "devices", item: { ...window, generation: 2, revision: 1 }, when: { revision: 0 } },
  ]);
  expect(await revoke(identity.deviceId)).toMatchObject({ status: 503 });
});

test("ok/a device is shown with its keys and where its messages are, without their outcomes", async () => {
  const outcomes = new Map([[9, { status: "ok", digest: "0102030405", result: { private: "result" } } as const]]);
  const { identity } = await storeDevice(operator.store, {
    window: { ack: 8, high: 9, outcomes },
    lastSeen: present + 5,
  });
  const { status, body } = await operator.get(`/operator/devices/${identity.deviceId}`);
  expect(status).toBe(200);
  expect(body["device"]).toEqual({
    deviceId: identity.deviceId,
    status: "provisioned",
    serialNumber: "SN-1",
    credentialId: identity.credentialId,
    created: present,
    signingKey: await thumbprint(identity.keys.signingKey),
    encryptionKey: await thumbprint(identity.keys.encryptionKey),
    certificate: identity.certificate,
    window: { ack: 8, high: 9, lastSeen: present + 5 },
  });
});

test("fails/a device that nobody knows", async () => {
  const path = `/operator/devices/${randomUUID()}`;
  expect(await operator.get(path)).toMatchObject({ status: 404, body: { code: "not-found" } });
  expect(await operator.post(`${path}/revoke`)).toMatchObject({ status: 404, body: { code: "not-found" } });
});

test("ok/a device that the tables lost is shown, and can be revoked", async () => {
  const { identity } = await storeDevice(memoryStore());
  const { deviceId, serialNumber, certificate } = identity;
  await operator.store.write([lifePut({ status: "provisioned", identity }, undefined)]);
  const { body } = await operator.get(`/operator/devices/${deviceId}`);
  expect(body["device"]).toMatchObject({ deviceId, status: "provisioned", serialNumber, certificate });
  expect(await revoke(deviceId)).toMatchObject({ status: 200, body: { device: { status: "revoked" } } });
  expect((await operator.get("/operator/devices")).body).toMatchObject({ devices: [{ deviceId, status: "revoked" }] });
});

test("ok/a device from before a restore is shown as it became since, and revoked in both of its items", async () => {
  const before = await storeDevice(operator.store);
  const { deviceId } = before.identity;
  const life = { status: "registered", identity: { ...before.identity, registration } } as const;
  await operator.store.write([lifePut(life, undefined)]);
  operator = startOperator(operator.store, 2);
  expect((await operator.get(`/operator/devices/${deviceId}`)).body["device"]).toMatchObject({
    status: "registered",
    registration,
  });
  expect((await revoke(deviceId)).status).toBe(200);
  expect(await readDevice(operator.store, deviceId, 2)).toMatchObject({
    status: "revoked",
    identity: { status: "revoked" },
    stored: { window: { generation: 2, status: "revoked" } },
  });
});

test("ok/a list shows what devices registered, and can be of one status", async () => {
  const registered = await storeDevice(operator.store);
  const before = (await readDevice(operator.store, registered.identity.deviceId, 1)) as Device;
  await operator.store.write(
    devicePuts(before, { ...before, status: "registered", identity: { ...before.identity, registration } }, 1),
  );
  await storeDevice(operator.store);
  expect((await operator.get("/operator/devices")).body["devices"]).toHaveLength(2);
  expect((await operator.get("/operator/devices", { status: "registered" })).body).toMatchObject({
    devices: [{ deviceId: registered.identity.deviceId, registration }],
  });
  expect((await operator.get("/operator/devices", { status: "lost" })).body).toMatchObject({ field: "status" });
});
