import { randomUUID } from "node:crypto";

import { beforeEach, describe, expect, test } from "vitest";

import { journalPut } from "../../functions/registry/journal.ts";
import { memoryStore } from "../../functions/store/memory-store.ts";
import type { Key, Store } from "../../functions/store/port.ts";
import { rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, startService } from "../support/service.ts";
import { type Speaker, actionsOf, newKeys, speaker } from "./speaker.ts";

/** What a device, or who forges one, can make the service pay. */

let service: TestService;
let device: Speaker;

beforeEach(async () => {
  service = await startService();
  const raw = await rawDevice(service);
  device = await speaker(service, raw.deviceId, { signing: raw.signer, encryption: raw.encryption });
});

const register = (seq: number, more: Partial<typeof registration> = {}, claims = {}) =>
  device.claims("register", { ...registration, ...more }, { seq }, claims);

/** Counts the items that are asked for, and the pages. */
function counted(store: Store) {
  const calls: (number | "page")[] = [];
  const counting: Store = {
    ...store,
    read: async (keys: readonly Key[]) => {
      calls.push(keys.length);
      return store.read(keys);
    },
    list: async (request) => {
      calls.push("page");
      return store.list(request);
    },
  };
  return { calls, store: counting };
}

describe("a forged token after a restore", () => {
  test("ok/costs two reads of fixed keys, however much the journal holds of the device that it names", async () => {
    await device.exchange(register(1));
    for (let n = 0; n < 2_500; n += 1) {
      const entry = { target: `device#${device.deviceId}`, actor: "test", time: present - n } as const;
      const detail = { ...registration, capabilities: [] };
      await service.store.write([journalPut({ ...entry, action: "device.registered", detail }, randomUUID())]);
    }
    const { calls, store } = counted(service.store);
    const stranger = await speaker(service, device.deviceId, await newKeys());
    const ports = { ...service.messages, store, generation: 2 };
    const answered = await stranger.answer(stranger.claims("register", registration, { seq: 2 }), { ports });
    expect(answered).toMatchObject({ kind: "problem", body: { code: "not-accepted" } });
    expect(calls).toEqual([3, 1]);
  });

  test("ok/that names a device which never was, the same", async () => {
    const { calls, store } = counted(memoryStore());
    const stranger = await speaker(service, randomUUID(), await newKeys());
    await stranger.answer(stranger.claims("register", registration, { seq: 2 }), {
      ports: { ...service.messages, store, generation: 2 },
    });
    expect(calls).toEqual([3, 1]);
  });
});

describe("a device's budget", () => {
  const renewals = async () =>
    (await actionsOf(service, device.deviceId)).filter((action) => action === "device.renewed").length;

  /** Renews once more; the keys go on speaking only if it succeeded. */
  const renew = async (seq: number, now = present) => {
    const next = await speaker(service, device.deviceId, await newKeys());
    const sent = device.claims("renew", await device.renewal(next.keys), { seq }, { iat: now, exp: now + 60 });
    const reply = await device.exchange(sent, { now });
    if (reply.status === "ok") device = next;
    return reply;
  };

  test("fails/a fifth renewal at once: told to come again, nothing stored, and everything else goes on", async () => {
    const said: string[] = [];
    for (let seq = 1; seq <= 8; seq += 1) said.push((await renew(seq)).status);
    expect(said).toEqual([...Array<string>(4).fill("ok"), ...Array<string>(4).fill("throttled")]);
    expect((await renew(9)).body).toMatchObject({ retry: true });
    expect(await renewals()).toBe(4);
    expect((await device.exchange(device.claims("deregister", {}, { seq: 9 }))).status).toBe("ok");
  });

  test("ok/is earned back with time, and what makes no entry costs nothing of it", async () => {
    for (let seq = 1; seq <= 4; seq += 1) await renew(seq);
    expect((await renew(5, present + 60)).status).toBe("throttled");
    expect((await renew(5, present + 8 * 900)).status).toBe("ok");
    const calm = await rawDevice(service);
    const other = await speaker(service, calm.deviceId, { signing: calm.signer, encryption: calm.encryption });
    for (let seq = 1; seq <= 60; seq += 1) {
      expect((await other.exchange(other.claims("register", registration, { seq }))).status).toBe("ok");
    }
  });

  test("fails/entries of the journal without end", async () => {
    const said: string[] = [];
    for (let seq = 1; seq <= 40; seq += 1) {
      said.push((await device.exchange(register(seq, { model: `meter-${seq}` }))).status);
    }
    expect(said.indexOf("throttled")).toBe(32);
    expect(said.lastIndexOf("ok")).toBe(31);
  });
});

describe("the journal's keys", () => {
  test("ok/two messages of one second with the same jti are two entries, each written at the first try", async () => {
    let writes = 0;
    const store: Store = {
      ...service.store,
      write: async (puts) => {
        writes += 1;
        return service.store.write(puts);
      },
    };
    const ports = { ...service.messages, store };
    const jti = "a".repeat(22);
    expect((await device.exchange(register(1, { model: "meter-1" }, { jti }), { ports })).status).toBe("ok");
    expect((await device.exchange(register(2, { model: "meter-2" }, { jti }), { ports })).status).toBe("ok");
    expect(writes).toBe(2);
    const actions = await actionsOf(service, device.deviceId);
    expect(actions).toEqual(["device.certified", "device.registered", "device.registered"]);
  });

  test("ok/entries of one second are in the order of what happened", async () => {
    await device.exchange(register(1));
    const next = await speaker(service, device.deviceId, await newKeys());
    await device.exchange(device.claims("renew", await device.renewal(next.keys), { seq: 2 }));
    await next.exchange(next.claims("deregister", {}, { seq: 3 }));
    expect(await actionsOf(service, device.deviceId)).toEqual([
      "device.certified",
      "device.registered",
      "device.renewed",
      "device.renewal-ended",
      "device.deregistered",
    ]);
  });

  test("ok/a day is spread over partitions: none has more than a fifth of what a fleet does", () => {
    const days = Array.from({ length: 1_000 }, () => {
      const detail = { keys: device.keys, serialNumber: "SN" };
      const entry = { action: "credential.revoked", actor: "operator", time: present, detail } as const;
      return String(journalPut({ ...entry, target: `device#${randomUUID()}` }, randomUUID()).item["day"]);
    });
    const counts = Object.values(Object.groupBy(days, (day) => day)).map((group) => group?.length ?? 0);
    expect(Math.max(...counts)).toBeLessThan(200);
  });
});
