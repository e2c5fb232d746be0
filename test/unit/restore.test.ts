import { createHash, randomUUID } from "node:crypto";

import { beforeEach, describe, expect, test } from "vitest";

import { tokenAnswerSchema } from "@sealpost/protocol/bootstrap.ts";

import { makeHandler } from "../../functions/bootstrap/handler.ts";
import { commit } from "../../functions/operator/act.ts";
import { decideRevocation } from "../../functions/operator/devices.ts";
import { memoryStore } from "../../functions/store/memory-store.ts";
import type { Item, Store, Table } from "../../functions/store/port.ts";
import { certificateRequest } from "../../device/identity/certificate-request.ts";
import { rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, startService, storeCredential } from "../support/service.ts";
import { type Speaker, journalOf, newKeys, revoke, speaker, stored } from "./speaker.ts";

let service: TestService;
let device: Speaker;

beforeEach(async () => {
  service = await startService();
  const raw = await rawDevice(service);
  device = await speaker(service, raw.deviceId, { signing: raw.signer, encryption: raw.encryption });
});

const register = (seq: number) => device.claims("register", registration, { seq });
const copy = async (to: Store, table: Table, items: readonly Item[]) => {
  expect(await to.write(items.map((item) => ({ table, item, when: "absent" })))).toBe(true);
};

/** A device's two items, as a backup would keep them. */
async function snapshot(): Promise<Item[]> {
  const keys = (["identity", "window"] as const).map(
    (item) => ({ table: "devices", key: { deviceId: device.deviceId, item } }) as const,
  );
  return (await service.store.read(keys)).filter((item) => item !== undefined);
}

async function restored(items: readonly Item[]): Promise<TestService> {
  const store = memoryStore();
  await copy(store, "journal", await journalOf(service, device.deviceId));
  await copy(store, "devices", items);
  return { ...service, store, messages: { ...service.messages, store } };
}

/** What delivery after a restore still owes: each of these fails today, and its test turns red once it does not. */
describe("after a restore", () => {
  test.fails("fails/a device that was revoked after the snapshot", async () => {
    const items = await snapshot();
    await revoke(service, device.deviceId);
    const there = await restored(items);
    expect((await device.exchange(register(1), { ports: there.messages })).status).toBe("revoked");
  });

  test.fails("fails/a revoked device that the snapshot does not hold is told so under seal", async () => {
    await revoke(service, device.deviceId);
    const there = await restored([]);
    expect((await device.exchange(register(1), { ports: there.messages })).status).toBe("revoked");
  });

  test.fails("ok/a device that de-registered after the snapshot gets the receipt that it was given", async () => {
    const sent = device.claims("deregister", {}, { seq: 1 });
    const first = await device.exchange(sent);
    const there = await restored([]);
    expect(await device.exchange(sent, { ports: there.messages })).toMatchObject({ status: "ok", body: first.body });
  });

  test.fails("ok/the operator revokes a device that only the journal knows", async () => {
    const there = await restored([]);
    await revoke(there, device.deviceId);
    expect((await stored(there, device.deviceId)).status).toBe("revoked");
  });

  test.fails("fails/a credential that was spent after the snapshot", async () => {
    const credentialId = randomUUID();
    const secretHash = createHash("sha256").update("secret-of-the-package").digest("base64url");
    const there = await startService();
    await storeCredential(there.store, { credentialId, secretHash });
    const certify = async (store: Store): Promise<number | undefined> => {
      const handler = makeHandler({ ...there.bootstrap, store }, () => present * 1000);
      const authorization = `Basic ${Buffer.from(`${credentialId}:secret-of-the-package`).toString("base64")}`;
      const form = { "content-type": "application/x-www-form-urlencoded", authorization };
      const granted = await handler({
        routeKey: "POST /bootstrap/token",
        headers: form,
        body: "grant_type=client_credentials",
        isBase64Encoded: false,
      });
      if (granted.statusCode !== 200) return granted.statusCode;
      const token = tokenAnswerSchema.parse(JSON.parse(granted.body ?? "")).access_token;
      const { signing, encryption } = await newKeys();
      const body = await certificateRequest({ signing: signing.pair, encryption: encryption.pair }, credentialId);
      const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
      const answer = await handler({
        routeKey: "POST /bootstrap/certificate",
        headers,
        body: JSON.stringify(body),
        isBase64Encoded: false,
      });
      return answer.statusCode;
    };
    expect(await certify(there.store)).toBe(200);
    const rolledBack = memoryStore();
    await storeCredential(rolledBack, { credentialId, secretHash });
    const { items } = await there.store.list({
      table: "journal",
      index: "byDay",
      partition: ["day", "2027-01-15"],
      limit: 100,
    });
    expect(items.map((item) => item["action"])).toContain("device.certified");
    await copy(rolledBack, "journal", items);
    const trust = await there.store.read([
      { table: "trust", key: { item: "trust" } },
      { table: "trust", key: { item: "keySet" } },
    ]);
    await copy(
      rolledBack,
      "trust",
      trust.filter((item) => item !== undefined),
    );
    expect(await certify(rolledBack)).not.toBe(200);
  });
});

describe("revocation against a device that never stops talking", () => {
  test.fails("ok/wins, though the device writes between each of its reads and writes", async () => {
    let seq = 0;
    const busy: Store = {
      ...service.store,
      write: async (puts) => {
        seq += 1;
        await device.exchange(register(seq));
        return service.store.write(puts);
      },
    };
    const act = { actor: "operator", now: present, unique: randomUUID() };
    await commit(busy, async () => decideRevocation(await stored(service, device.deviceId), 1, act));
    expect((await stored(service, device.deviceId)).status).toBe("revoked");
  });
});
