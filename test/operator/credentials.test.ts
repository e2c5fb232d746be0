import { createHash } from "node:crypto";

import { signTrust } from "@sealpost/protocol/documents/trust.ts";
import { beforeEach, expect, test, vi } from "vitest";

import type { CredentialRecord } from "../../functions/store/records.ts";
import { actor, contendedStore, journal, present, startOperator, trustFixture } from "./operator.ts";

const secretHash = createHash("sha256").update("a secret").digest("base64url");
const valid = { serialNumber: "SN 1", secretHash };
const day = 86_400;

let operator: ReturnType<typeof startOperator>;
let trust: Awaited<ReturnType<typeof trustFixture>>;

beforeEach(async () => {
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  trust = await trustFixture();
  operator = startOperator();
  await operator.post("/operator/trust", { document: await signTrust(trust.claims, [trust.root]) });
});

const create = (changes: object = {}) => operator.post("/operator/credentials", { ...valid, ...changes });
const createId = async () => {
  const { credentialId } = (await create()).body["credential"] as { credentialId: string };
  return credentialId;
};
const stored = async (credentialId: string) => {
  const [item] = await operator.store.read([{ table: "credentials", key: { credentialId } }]);
  return item as CredentialRecord;
};
const revoke = (credentialId: string) => operator.post(`/operator/credentials/${credentialId}/revoke`);
const listed = async () => (await operator.get("/operator/credentials")).body["credentials"];

test("ok/a credential is valid for a week unless said otherwise, and says what a device pins", async () => {
  const { status, body } = await create();
  expect(status).toBe(200);
  expect(body).toMatchObject({
    credential: {
      serialNumber: "SN 1",
      status: "issued",
      created: present,
      createdBy: actor,
      validUntil: present + 7 * day,
    },
    serviceId: "sealpost-test",
    roots: [trust.root.kid],
  });
});

test("ok/the hash of the secret is stored and never shown", async () => {
  const id = await createId();
  expect(await stored(id)).toMatchObject({ secretHash, status: "issued", revision: 0, shard: id[0] });
  expect(JSON.stringify([await create(), await operator.get("/operator/credentials"), await revoke(id)])).not.toContain(
    secretHash,
  );
});

test("ok/it leaves the table a month after it ended, not before", async () => {
  const { validUntil, expires } = await stored(await createId());
  expect(expires).toBe(validUntil + 30 * day);
});

test("ok/creation and revocation are in the journal, once", async () => {
  const id = await createId();
  await revoke(id);
  await revoke(id);
  operator.setTime(present + 1);
  const entries = await journal(operator.store, `credential#${id}`);
  expect(entries.map(({ action }) => action).toSorted()).toEqual(["credential.created", "credential.revoked"]);
  expect(entries).toMatchObject([{ actor, detail: { serialNumber: "SN 1" } }, { actor }]);
  expect(JSON.stringify(entries)).not.toContain(secretHash);
});

test.each([
  ["no serial number", { serialNumber: undefined }, "serialNumber"],
  ["an empty serial number", { serialNumber: "" }, "serialNumber"],
  ["65 characters", { serialNumber: "x".repeat(65) }, "serialNumber"],
  ["a space at its end", { serialNumber: "x " }, "serialNumber"],
  ["a control character", { serialNumber: "a\nb" }, "serialNumber"],
  ["a validity below a minute", { validSeconds: 59 }, "validSeconds"],
  ["a validity above 400 days", { validSeconds: 400 * day + 1 }, "validSeconds"],
  ["a fraction", { validSeconds: 60.5 }, "validSeconds"],
  ["the secret instead of its hash", { secretHash: "a secret" }, "secretHash"],
  ["a hash that is not canonical", { secretHash: `${secretHash.slice(0, -1)}_` }, "secretHash"],
  ["a member that nobody knows", { secret: "a secret" }, "(unknown member)"],
])("fails/%s", async (_, changes, field) => {
  expect(await create(changes)).toMatchObject({
    status: 400,
    type: "application/problem+json",
    body: { code: "invalid-request", field },
  });
  expect(await listed()).toEqual([]);
});

test.each([{ serialNumber: "x".repeat(64) }, { validSeconds: 60 }, { validSeconds: 400 * day }])(
  "ok/%o",
  async (changes) => {
    expect((await create(changes)).status).toBe(200);
  },
);

test("fails/before the first trust document there is nothing to pin", async () => {
  operator = startOperator();
  expect(await create()).toMatchObject({ status: 409, body: { code: "not-trusted-yet" } });
});

test("ok/revoking an issued credential ends it, and again says the same", async () => {
  const id = await createId();
  const first = await revoke(id);
  expect(first).toMatchObject({ status: 200, body: { credential: { credentialId: id, status: "revoked" } } });
  expect(await stored(id)).toMatchObject({ status: "revoked", revision: 1 });
  expect(await revoke(id)).toEqual(first);
});

test("fails/a spent credential names the device to revoke", async () => {
  const id = await createId();
  const deviceId = "0f0e0d0c-0b0a-4908-8706-050403020100";
  const spent: CredentialRecord = { ...(await stored(id)), status: "spent", deviceId, revision: 1 };
  await operator.store.write([{ table: "credentials", item: spent, when: { revision: 0 } }]);
  expect(await revoke(id)).toMatchObject({ status: 409, body: { code: "conflict", deviceId } });
  expect(await stored(id)).toEqual(spent);
});

test("fails/a credential that is spent between read and write is not revoked", async () => {
  const id = await createId();
  const { store } = operator;
  const deviceId = "0f0e0d0c-0b0a-4908-8706-050403020100";
  let raced = false;
  operator = startOperator({
    ...store,
    async write(puts) {
      if (!raced) {
        raced = true;
        const item: CredentialRecord = { ...(await stored(id)), status: "spent", deviceId, revision: 1 };
        await store.write([{ table: "credentials", item, when: { revision: 0 } }]);
      }
      return store.write(puts);
    },
  });
  expect(await revoke(id)).toMatchObject({ status: 409, body: { deviceId } });
  expect(await journal(store, `credential#${id}`)).toHaveLength(1);
});

test.each(["00000000-0000-4000-8000-000000000000"])("fails/an id that nothing has", async (id) => {
  expect(await revoke(id)).toMatchObject({ status: 404, body: { code: "not-found" } });
});

test("fails/an id in another form", async () => {
  const answer = await operator.send({
    routeKey: "POST /operator/credentials/{credentialId}/revoke",
    requestContext: { authorizer: { iam: { userArn: actor } } },
    pathParameters: { credentialId: (await createId()).toUpperCase() },
  });
  expect(answer).toMatchObject({ status: 400, body: { field: "credentialId" } });
});

test("ok/a list shows what has expired as expired", async () => {
  await createId();
  operator.setTime(present + 7 * day - 1);
  expect(await listed()).toMatchObject([{ status: "issued" }]);
  operator.setTime(present + 7 * day);
  expect(await listed()).toMatchObject([{ status: "expired" }]);
});

test("fails/races that never end are an answer, not a loop", async () => {
  const store = contendedStore(Infinity, operator.store);
  operator = startOperator(store);
  expect(await create()).toMatchObject({ status: 503, body: { code: "unavailable" } });
  expect(store.tries()).toBe(8);
});
