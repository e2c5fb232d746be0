import { limits } from "@sealpost/protocol/limits.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { type TrustClaims, followTrust, readTrust, signTrust } from "@sealpost/protocol/documents/trust.ts";
import { beforeEach, describe, expect, test, vi } from "vitest";

import { type SigningKey, signingKey } from "../support/keys.ts";
import { caCertificate, contendedStore, journal, present, startOperator, trustFixture } from "./operator.ts";

let fixture: Awaited<ReturnType<typeof trustFixture>>;
let operator: ReturnType<typeof startOperator>;

beforeEach(async () => {
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  fixture = await trustFixture();
  operator = startOperator();
});

const publish = async (changes: Partial<TrustClaims> = {}, signers: readonly SigningKey[] = [fixture.root]) =>
  operator.post("/operator/trust", { document: await signTrust({ ...fixture.claims, ...changes }, signers) });
const shown = async () => (await operator.get("/operator/trust")).body as { version: number; chain: string[][] };

/** The same service under another root, which signs the CA's certificate anew. */
const underRoot = async (root: SigningKey): Promise<Partial<TrustClaims>> => ({
  root: root.jwk,
  issuingCa: await caCertificate(fixture.ca, root),
});

describe("publishing", () => {
  test("ok/the first document, signed by its own root", async () => {
    expect(await operator.get("/operator/trust")).toMatchObject({ status: 409, body: { code: "not-trusted-yet" } });
    expect(await publish()).toMatchObject({ status: 200, body: { version: 1 } });
    expect((await shown()).version).toBe(1);
    expect(await journal(operator.store, "trust")).toMatchObject([
      { action: "trust.published", detail: { version: 1 } },
    ]);
  });

  test("ok/the next document takes the place of the one before, unless that changed the root", async () => {
    await publish();
    await publish({ version: 2 });
    expect((await publish({ version: 3, messageUrls: ["http://elsewhere.test"] })).status).toBe(200);
    const { version, chain } = await shown();
    expect(version).toBe(3);
    expect(chain.map((document) => readTrust([document]).version)).toEqual([1, 3]);
    expect(readTrust(chain).messageUrls).toEqual(["http://elsewhere.test"]);
  });

  test.each([
    ["a version that skips one", { version: 3 }, "document.version", 409],
    ["the same version again", { version: 1 }, "document.version", 409],
    ["another service", { iss: "another" }, "document.iss", 400],
    ["a threshold above the number of keys", { releaseThreshold: 3 }, "document.releaseThreshold", 400],
    ["a date in the future", { iat: present + 61 }, "document.iat", 400],
  ])("fails/%s", async (_, changes, field, status) => {
    await publish();
    const answer = await publish({ version: 2, ...changes });
    expect(answer).toMatchObject({ status, body: { field } });
    expect((await shown()).version).toBe(1);
    expect(await journal(operator.store, "trust")).toHaveLength(1);
  });

  test("ok/dated as far ahead as clocks may be", async () => {
    expect((await publish({ iat: present + 60 })).status).toBe(200);
  });

  test("fails/a first document that its root did not sign", async () => {
    expect(await publish({}, [await signingKey()])).toMatchObject({ status: 400, body: { field: "document" } });
  });

  test("fails/a key that serves two purposes", async () => {
    expect(await publish({ receiptKeys: fixture.claims.keySetKeys })).toMatchObject({
      body: { field: "document.keys" },
    });
    expect(await publish({ standby: fixture.claims.root })).toMatchObject({ body: { field: "document.keys" } });
  });

  test("fails/an issuing CA that another root certified, or that is none", async () => {
    const another = await caCertificate(fixture.ca, await signingKey());
    expect(await publish({ issuingCa: another })).toMatchObject({ body: { field: "document.issuingCa" } });
    expect(await publish({ issuingCa: "A".repeat(80) })).toMatchObject({ body: { field: "document.issuingCa" } });
  });

  test("ok/a lost race is decided again by what is stored then", async () => {
    const store = contendedStore(1);
    operator = startOperator(store);
    expect((await publish()).status).toBe(200);
    expect(store.tries()).toBe(2);
  });
});

describe("another root", () => {
  let next: SigningKey;
  beforeEach(async () => {
    next = await signingKey();
    await publish();
  });

  test("ok/signed by both, and a device that pins either root follows the chain", async () => {
    expect((await publish({ version: 2, ...(await underRoot(next)) }, [fixture.root, next])).status).toBe(200);
    expect((await publish({ version: 3, ...(await underRoot(next)) }, [next])).status).toBe(200);
    const { chain } = await shown();
    expect(chain).toHaveLength(3);
    for (const { kid } of [fixture.root, next]) expect((await followTrust(chain, [kid])).version).toBe(3);
  });

  test.each([
    ["the new root alone", () => [next]],
    ["the old root alone", () => [fixture.root]],
  ])("fails/signed by %s", async (_, signers) => {
    expect(await publish({ version: 2, ...(await underRoot(next)) }, signers())).toMatchObject({
      status: 400,
      body: { field: "document" },
    });
  });

  test("ok/by the standby alone, and the chain keeps the document that named it", async () => {
    const standby = await signingKey();
    await publish({ version: 2, standby: standby.jwk });
    await publish({ version: 3, standby: standby.jwk, messageUrls: ["http://elsewhere.test"] });
    const lost = await publish({ version: 4, ...(await underRoot(next)) }, [standby]);
    expect(lost.status).toBe(200);
    const { chain } = await shown();
    expect(chain.map((document) => readTrust([document]).version)).toEqual([1, 2, 4]);
    expect((await followTrust(chain, [fixture.root.kid])).root).toEqual(next.jwk);
  });

  test("fails/by a standby of no document", async () => {
    const stranger = await signingKey();
    expect(await publish({ version: 2, standby: stranger.jwk, ...(await underRoot(next)) }, [stranger])).toMatchObject({
      status: 400,
    });
  });

  test("fails/a chain beyond the bytes that devices take", async () => {
    const roots = [fixture.root];
    for (let version = 2; ; version += 1) {
      const [before = fixture.root, after] = [roots.at(-1), await signingKey()];
      const answer = await publish({ version, ...(await underRoot(after)) }, [before, after]);
      roots.push(after);
      if (answer.status === 200) continue;
      expect(answer).toMatchObject({ status: 409, body: { code: "conflict" } });
      break;
    }
    const bytes = JSON.stringify((await shown()).chain).length;
    expect(bytes).toBeLessThanOrEqual(limits.trustChainBytes);
    expect(bytes).toBeGreaterThan(limits.trustChainBytes - 5_000);
  });
});

test("ok/a root's thumbprint is what credentials pin", async () => {
  const standby = await signingKey();
  await publish({ standby: standby.jwk });
  const answer = await operator.post("/operator/credentials", { serialNumber: "SN-1", secretHash: "A".repeat(43) });
  expect(answer.body["roots"]).toEqual([await thumbprint(fixture.root.jwk), await thumbprint(standby.jwk)]);
});
