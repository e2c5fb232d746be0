import { createHash, randomUUID } from "node:crypto";

import { beforeEach, describe, expect, test, vi } from "vitest";

import { certificateAnswerSchema, tokenAnswerSchema } from "@sealpost/protocol/bootstrap.ts";

import { makeHandler } from "../../functions/bootstrap/handler.ts";
import type { BootstrapPorts } from "../../functions/bootstrap/ports.ts";
import type { MessagePorts } from "../../functions/receive/ports.ts";
import { revokeDevice } from "../../functions/operator/devices.ts";
import type { OperatorPorts } from "../../functions/operator/ports.ts";
import { credentialEndKey, credentialEndPut } from "../../functions/registry/life.ts";
import { memoryStore } from "../../functions/store/memory-store.ts";
import type { Item, Store, Table } from "../../functions/store/port.ts";
import { certificateRequest } from "../../device/identity/certificate-request.ts";
import { rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, serviceId, startService, storeCredential } from "../support/service.ts";
import {
  type Speaker,
  type SpeakerKeys,
  actionsOf,
  itemsOf,
  newKeys,
  revoke,
  speaker,
  stored,
  unforgotten,
} from "./speaker.ts";

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

/** A device's items, as a backup would keep them. */
const snapshot = () => itemsOf(service, device.deviceId);

/** The service after a disaster: the journal as it is, the device's items as they were, and the next key generation. */
async function restored(items: readonly Item[]): Promise<TestService> {
  const store = memoryStore();
  await copy(store, "journal", await unforgotten(service, device.deviceId));
  await copy(store, "devices", items);
  return { ...service, store, messages: { ...service.messages, store, generation: 2 } };
}

describe("after a restore", () => {
  test("fails/a device that was revoked after the snapshot", async () => {
    const items = await snapshot();
    await revoke(service, device.deviceId);
    const there = await restored(items);
    expect((await device.exchange(register(1), { ports: there.messages })).status).toBe("revoked");
  });

  test("fails/a revoked device that the snapshot does not hold is told so under seal", async () => {
    await revoke(service, device.deviceId);
    const there = await restored([]);
    expect((await device.exchange(register(1), { ports: there.messages })).status).toBe("revoked");
  });

  test("ok/a device that de-registered after the snapshot gets the receipt that it was given", async () => {
    const sent = device.claims("deregister", {}, { seq: 1 });
    const first = await device.exchange(sent);
    const there = await restored([]);
    expect(await device.exchange(sent, { ports: there.messages })).toMatchObject({ status: "ok", body: first.body });
  });

  test("ok/the operator revokes a device that only the journal knows", async () => {
    const there = await restored([]);
    await revoke(there, device.deviceId);
    expect((await stored(there, device.deviceId)).status).toBe("revoked");
  });

  test("ok/a device that is as the snapshot says: its window counts, and its items are of the new generation", async () => {
    const first = register(1);
    const before = await device.exchange(first);
    const there = await restored(await snapshot());
    expect((await device.exchange(first, { ports: there.messages })).body).toEqual(before.body);
    expect((await device.exchange(register(2), { ports: there.messages })).status).toBe("ok");
    expect(await itemsOf(there, device.deviceId)).toMatchObject([
      { revision: 3, registration },
      { generation: 2, identityRevision: 3, high: 2, status: "registered" },
    ]);
    expect((await device.exchange(register(3), { ports: there.messages })).status).toBe("ok");
  });

  test("fails/a function from before it, once the device has spoken", async () => {
    const there = await restored(await snapshot());
    await device.exchange(register(1), { ports: there.messages });
    const late = { ...there.messages, generation: 1 };
    expect(await device.answer(register(2), { ports: late })).toMatchObject({ body: { code: "unavailable" } });
  });

  test("fails/a write of a function that read before it", async () => {
    const there = await restored(await snapshot());
    const slow = {
      ...there.messages,
      generation: 1,
      store: {
        ...there.store,
        write: async (puts: Parameters<Store["write"]>[0]) => {
          await device.exchange(register(1), { ports: there.messages });
          return there.store.write(puts);
        },
      },
    };
    expect((await device.answer(register(2), { ports: slow })).kind).toBe("problem");
    expect((await stored(there, device.deviceId)).window.high).toBe(1);
  });

  test("fails/a key that ended after the snapshot, whose place the new one has", async () => {
    const items = await snapshot();
    const next = await speaker(service, device.deviceId, await newKeys());
    const renewed = await device.exchange(device.claims("renew", await device.renewal(next.keys), { seq: 1 }));
    const between = await restored(items);
    expect((await device.exchange(register(1), { ports: between.messages })).status).toBe("ok");
    await next.exchange(next.claims("register", registration, { seq: 2 }));
    const there = await restored(items);
    expect((await device.answer(register(3), { ports: there.messages })).kind).toBe("problem");
    const again = next.claims("renew", await device.renewal(next.keys), { seq: 3 });
    expect(await next.exchange(again, { ports: there.messages })).toMatchObject({ status: "ok", body: renewed.body });
    expect((await stored(there, device.deviceId)).identity).toMatchObject({ renewalSeq: 1, registration });
  });

  test("ok/what the device registered after the snapshot is what it is", async () => {
    await device.exchange(register(1));
    const items = await snapshot();
    const other = { ...registration, model: "meter-2" };
    await device.exchange(device.claims("register", other, { seq: 2 }), { now: present + 1 });
    const there = await restored(items);
    expect((await stored(there, device.deviceId)).identity.registration).toMatchObject(other);
  });

  test("fails/a device that de-registered after the snapshot", async () => {
    const items = await snapshot();
    const left = await device.exchange(device.claims("deregister", {}, { seq: 1 }));
    const there = await restored(items);
    const again = await device.exchange(device.claims("deregister", {}, { seq: 9 }), { ports: there.messages });
    expect(again).toMatchObject({ status: "ok", body: left.body });
    expect((await device.exchange(register(2), { ports: there.messages })).status).toBe("gone");
    expect(await itemsOf(there, device.deviceId)).toMatchObject([
      { status: "deregistered", ...left.body },
      { status: "deregistered", generation: 2 },
    ]);
  });

  test.each([["identity"], ["window"]])("ok/a device of which the backup holds the %s alone", async (half) => {
    await device.exchange(register(1));
    const there = await restored((await snapshot()).filter(({ item }) => item === half));
    expect((await device.exchange(register(2), { ports: there.messages })).status).toBe("ok");
    expect((await device.exchange(register(3), { ports: there.messages })).status).toBe("ok");
    expect((await stored(there, device.deviceId)).status).toBe("registered");
  });

  test("ok/a device whose two items the backup took at different moments", async () => {
    const [identity] = await snapshot();
    await device.exchange(register(1));
    const [, window] = await snapshot();
    const there = await restored([identity ?? {}, window ?? {}]);
    expect((await device.exchange(register(2), { ports: there.messages })).status).toBe("ok");
    expect((await stored(there, device.deviceId)).identity.registration).toMatchObject(registration);
  });
});

describe("a credential after a restore", () => {
  const secret = "secret-of-the-package";
  const secretHash = createHash("sha256").update(secret).digest("base64url");
  let credentialId: string;

  beforeEach(async () => {
    vi.spyOn(process.stdout, "write").mockReturnValue(true);
    credentialId = randomUUID();
    await storeCredential(service.store, { credentialId, secretHash });
  });

  const handlerOf = (ports: BootstrapPorts) => {
    const handler = makeHandler(ports, () => present * 1000);
    return (path: string, contentType: string, authorization: string, body: string) => {
      const headers = { "content-type": contentType, authorization };
      return handler({ routeKey: `POST /bootstrap/${path}`, headers, body, isBase64Encoded: false });
    };
  };

  /** The two requests of a bootstrap; the status of the one that fails, or the device id. */
  const certify = async (ports: BootstrapPorts, { signing, encryption }: SpeakerKeys) => {
    const post = handlerOf(ports);
    const basic = `Basic ${Buffer.from(`${credentialId}:${secret}`).toString("base64")}`;
    const form = "application/x-www-form-urlencoded";
    const granted = await post("token", form, basic, "grant_type=client_credentials");
    if (granted.statusCode !== 200) return granted.statusCode;
    const token = tokenAnswerSchema.parse(JSON.parse(granted.body ?? "")).access_token;
    const body = await certificateRequest({ signing: signing.pair, encryption: encryption.pair }, credentialId);
    const answer = await post("certificate", "application/json", `Bearer ${token}`, JSON.stringify(body));
    return answer.statusCode === 200 ? certificateAnswerSchema.parse(JSON.parse(answer.body ?? "")) : answer.statusCode;
  };

  /** The journal of that day, the trust items, and the credential as it was issued. */
  const rolledBack = async (): Promise<BootstrapPorts> => {
    const store = memoryStore();
    await storeCredential(store, { credentialId, secretHash });
    const [end] = await service.store.read([credentialEndKey(credentialId)]);
    if (end) await copy(store, "journal", [end, ...(await unforgotten(service, String(end["deviceId"])))]);
    const trust = (["trust", "keySet"] as const).map((item) => ({ table: "trust", key: { item } }) as const);
    await copy(
      store,
      "trust",
      (await service.store.read(trust)).filter((item) => item !== undefined),
    );
    return { ...service.bootstrap, store, generation: 2 };
  };

  test("fails/other keys on one that was spent after the snapshot; the same keys fetch the same answer", async () => {
    const keys = await newKeys();
    const first = await certify(service.bootstrap, keys);
    expect(first).toMatchObject({ deviceId: expect.any(String) as string });
    const there = await rolledBack();
    expect(await certify(there, await newKeys())).toBe(409);
    expect(await certify(there, keys)).toEqual(first);
    expect(await certify(there, await newKeys())).toBe(409);
  });

  test("fails/one whose device has registered since", async () => {
    const keys = await newKeys();
    const first = await certify(service.bootstrap, keys);
    if (typeof first !== "object") throw new Error("not certified");
    const by = await speaker(service, first.deviceId, keys);
    await by.exchange(by.claims("register", registration, { seq: 1 }));
    expect(await certify(await rolledBack(), keys)).toBe(401);
  });

  test("fails/one that was revoked after the snapshot", async () => {
    const there = await rolledBack();
    await there.store.write([credentialEndPut(credentialId, { status: "revoked" })]);
    expect(await certify(there, await newKeys())).toBe(401);
  });

  test("ok/one that nobody spent", async () => {
    expect(await certify(await rolledBack(), await newKeys())).toMatchObject({ chain: expect.any(Array) as string[] });
  });
});

describe("revocation against a device that never stops talking", () => {
  const operatorOver = (store: Store) => {
    const ports: OperatorPorts = { serviceId, generation: 1, store, now: () => present, newId: () => randomUUID() };
    const nothing = { query: undefined, request: undefined };
    return () => {
      const stamp = { actor: "operator", now: present, unique: randomUUID() };
      return revokeDevice({ ...stamp, path: { deviceId: device.deviceId }, ...nothing }, ports);
    };
  };

  test("ok/wins, though the device writes between each of its reads and writes", async () => {
    const said: string[] = [];
    const busy: Store = {
      ...service.store,
      write: async (puts) => {
        if (puts.length > 0) said.push((await device.exchange(register(said.length + 1))).status);
        return service.store.write(puts);
      },
    };
    expect(await operatorOver(busy)()).toMatchObject({ reply: { device: { status: "revoked" } } });
    expect(said).toEqual(["ok", "revoked"]);
    expect(await itemsOf(service, device.deviceId)).toMatchObject([
      { status: "revoked" },
      { status: "revoked", high: 2 },
    ]);
    expect((await actionsOf(service, device.deviceId)).filter((action) => action === "device.revoked")).toHaveLength(1);
  });

  test("fails/a message that was read before it and written after it was told", async () => {
    const slow: MessagePorts["store"] = {
      ...service.store,
      write: async (puts) => {
        await operatorOver(service.store)();
        return service.store.write(puts);
      },
    };
    const late = await device.exchange(register(1), { ports: { ...service.messages, store: slow } });
    expect(late.status).toBe("revoked");
  });

  test("ok/a device that left in the same instant has left, and the operator is told", async () => {
    let left: Promise<unknown> | undefined;
    const busy: Store = {
      ...service.store,
      write: async (puts) => {
        left ??= device.exchange(device.claims("deregister", {}, { seq: 1 }));
        await left;
        return service.store.write(puts);
      },
    };
    expect(await operatorOver(busy)()).toMatchObject({ problem: { code: "conflict" } });
    const again = await device.exchange(device.claims("deregister", {}, { seq: 2 }));
    expect(again.body).toHaveProperty("receipt");
    const there = await restored([]);
    expect((await stored(there, device.deviceId)).status).toBe("deregistered");
  });
});
