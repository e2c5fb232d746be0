import { signManifest } from "@sealpost/protocol/documents/manifest.ts";
import type { ManifestClaims } from "@sealpost/protocol/exchanges/firmware.ts";
import { type TrustClaims, signTrust } from "@sealpost/protocol/documents/trust.ts";
import { beforeEach, describe, expect, test, vi } from "vitest";

import type { ReleaseRecord } from "../../functions/store/records.ts";
import { type SigningKey, signingKey } from "../support/keys.ts";
import { actor, contendedStore, journal, present, serviceId, startOperator, trustFixture } from "./operator.ts";

const wrappedKey = Buffer.alloc(180, 7).toString("base64");
const digest = Buffer.alloc(32, 1).toString("base64url");
const valid: ManifestClaims = {
  iss: serviceId,
  iat: present,
  exp: present + 3_600,
  model: "meter",
  hardware: ["r1", "r2"],
  version: "1.0.0",
  counter: 1,
  size: 100_000,
  sha256: digest,
  recordBytes: 65_536,
  recordsSha256: digest,
  object: "abcdefghijklmnopqrstuvwx",
};

let operator: ReturnType<typeof startOperator>;
let trust: Awaited<ReturnType<typeof trustFixture>>;

beforeEach(async () => {
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  trust = await trustFixture();
  operator = startOperator();
  await state();
});

const state = async (changes: Partial<TrustClaims> = {}) =>
  operator.post("/operator/trust", { document: await signTrust({ ...trust.claims, ...changes }, [trust.root]) });
const publish = async (changes: Partial<ManifestClaims> = {}, signers: readonly SigningKey[] = [trust.releaseKey]) =>
  operator.post("/operator/releases", { manifest: await signManifest({ ...valid, ...changes }, signers), wrappedKey });
const stored = async (target: string, counter: number) => {
  const [item] = await operator.store.read([{ table: "releases", key: { target, counter } }]);
  return item as ReleaseRecord | undefined;
};
const versions = async (query: Record<string, string> = {}) => {
  const { releases } = (await operator.get("/operator/releases", query)).body as { releases: { version: string }[] };
  return releases.map(({ version }) => version);
};

test("ok/a release is stored for each hardware, and is what devices are offered", async () => {
  expect(await publish()).toMatchObject({
    status: 200,
    body: { release: { counter: 1, version: "1.0.0", publishedBy: actor } },
  });
  for (const target of ["meter#r1", "meter#r2"]) {
    const [release, offers] = [await stored(target, 1), await stored(target, 0)];
    expect(release).toMatchObject({ wrappedKey, release: { counter: 1, object: valid.object, exp: valid.exp } });
    expect(offers).toEqual({ target, counter: 0, revision: 0, highest: 1, offers: [{ counter: 1, exp: valid.exp }] });
    expect(await journal(operator.store, `release#${target}`)).toMatchObject([{ action: "release.published", actor }]);
  }
});

test("ok/the next release moves the offer and keeps the one before", async () => {
  await publish();
  expect((await publish({ counter: 5, version: "1.1.0", hardware: ["r2"] })).status).toBe(200);
  expect(await stored("meter#r2", 0)).toMatchObject({ highest: 5, revision: 1 });
  expect(await stored("meter#r1", 0)).toMatchObject({ highest: 1 });
  expect(await stored("meter#r2", 1)).toBeDefined();
});

test("ok/neither the wrapped key nor the manifest is in an answer or the journal", async () => {
  const answers = [
    await publish(),
    await operator.get("/operator/releases"),
    await journal(operator.store, "release#meter#r1"),
  ];
  const manifest = (await stored("meter#r1", 1))?.manifest[0] ?? "";
  for (const secret of [wrappedKey, manifest]) expect(JSON.stringify(answers)).not.toContain(secret);
});

test.each<[string, Partial<ManifestClaims>, string, number]>([
  ["the counter that is published", { hardware: ["r2"], object: "b".repeat(24) }, "manifest.counter", 409],
  ["a counter that is new to one hardware alone", { hardware: ["r3", "r1"] }, "manifest.counter", 409],
  ["one that has expired", { counter: 2, exp: present }, "manifest.exp", 400],
  ["one from the future", { counter: 2, iat: present + 61 }, "manifest.iat", 400],
  ["a hardware twice", { counter: 2, hardware: ["r1", "r1"] }, "manifest.hardware", 400],
  ["another service's", { counter: 2, iss: "another" }, "manifest", 400],
  [
    "more hardware than 16",
    { counter: 2, hardware: Array.from({ length: 17 }, (_, at) => `r${at}`) },
    "manifest.hardware",
    400,
  ],
  ["hardware that no device is registered as", { counter: 2, hardware: ["r 9"] }, "manifest.hardware", 400],
  ["records that are too small", { counter: 2, recordBytes: 1_023 }, "manifest", 400],
])("fails/%s", async (_, changes, field, status) => {
  await publish();
  expect(await publish(changes)).toMatchObject({ status, body: { field } });
  expect(await versions()).toEqual(["1.0.0"]);
});

test("fails/signed by another key of the same type", async () => {
  expect(await publish({}, [await signingKey()])).toMatchObject({ status: 400, body: { field: "manifest" } });
  expect(await publish({}, [trust.root])).toMatchObject({ status: 400, body: { field: "manifest" } });
});

test("ok/the threshold of the newest trust document counts", async () => {
  await state({ version: 2, releaseThreshold: 2 });
  expect(await publish({}, [trust.releaseKey])).toMatchObject({ status: 400, body: { field: "manifest" } });
  expect((await publish({}, [trust.releaseKey, trust.otherReleaseKey])).status).toBe(200);
});

test("fails/nothing is published before the first trust document", async () => {
  operator = startOperator();
  expect(await publish()).toMatchObject({ status: 409, body: { code: "not-trusted-yet" } });
});

test("fails/a manifest whose offer a device could not take", async () => {
  const padded = { ...valid, note: "x".repeat(49_152) };
  expect(await publish(padded)).toMatchObject({ status: 400, body: { field: "manifest" } });
});

test("ok/a race for the same counter has one winner", async () => {
  const { store } = operator;
  let raced = false;
  const slow = startOperator({
    ...store,
    async write(puts) {
      if (!raced) {
        raced = true;
        await publish({ version: "first" });
      }
      return store.write(puts);
    },
  });
  const late = await signManifest({ ...valid, version: "second", object: "c".repeat(24) }, [trust.releaseKey]);
  expect(await slow.post("/operator/releases", { manifest: late, wrappedKey })).toMatchObject({ status: 409 });
  expect(await versions()).toEqual(["first"]);
});

test("ok/a lost race that leaves the counter free is tried again", async () => {
  operator = startOperator(contendedStore(2, operator.store));
  expect((await publish()).status).toBe(200);
});

test("ok/lists show each release once, newest first, of everything or of one hardware", async () => {
  await publish();
  operator.setTime(present + 1);
  await publish({ counter: 2, version: "1.1.0", hardware: ["r2"] });
  operator.setTime(present + 2);
  await publish({ counter: 1, version: "9.0.0", model: "locker", hardware: ["r1"] });
  expect(await versions()).toEqual(["9.0.0", "1.1.0", "1.0.0"]);
  expect(await versions({ model: "meter", hardware: "r1" })).toEqual(["1.0.0"]);
  expect(await versions({ model: "meter", hardware: "r2" })).toEqual(["1.1.0", "1.0.0"]);
  expect(await versions({ model: "meter", hardware: "r2", limit: "1" })).toEqual(["1.1.0"]);
  expect((await operator.get("/operator/releases", { model: "meter" })).body).toMatchObject({ field: "hardware" });
});

test("ok/a list says who must sign", async () => {
  expect((await operator.get("/operator/releases")).body["signing"]).toEqual({
    keys: [trust.releaseKey.kid, trust.otherReleaseKey.kid],
    threshold: 1,
  });
});

describe("the same release again", () => {
  test("fails/the same image under the same version, though the counter is new", async () => {
    await publish();
    expect(await publish({ counter: 2, object: "bcdefghijklmnopqrstuvwxy" })).toMatchObject({
      status: 409,
      body: { code: "conflict", counter: 1 },
    });
    expect(await stored("meter#r1", 2)).toBeUndefined();
  });

  test("fails/on one hardware alone that has it already", async () => {
    await publish({ hardware: ["r2"] });
    expect(await publish({ counter: 2, hardware: ["r1", "r2"] })).toMatchObject({ status: 409 });
  });

  test("ok/where the operator means it, and under another version", async () => {
    await publish();
    const manifest = await signManifest({ ...valid, counter: 2 }, [trust.releaseKey]);
    expect(await operator.post("/operator/releases", { manifest, wrappedKey, again: true })).toMatchObject({
      status: 200,
    });
    expect(await publish({ counter: 3, version: "1.0.1" })).toMatchObject({ status: 200 });
  });
});

describe("withdrawal", () => {
  const withdraw = (changes: object = {}) =>
    operator.post("/operator/releases/withdraw", { model: "meter", hardware: "r2", counter: 1, ...changes });

  test("ok/it is offered no more, on any of its hardware, and the one before is again", async () => {
    await publish();
    await publish({ counter: 2, version: "2.0.0" });
    expect(await withdraw({ counter: 2 })).toMatchObject({
      status: 200,
      body: { release: { counter: 2, withdrawn: { at: present, by: actor } } },
    });
    for (const target of ["meter#r1", "meter#r2"]) {
      expect(await stored(target, 0)).toMatchObject({ highest: 2, offers: [{ counter: 1 }] });
      expect(await journal(operator.store, `release#${target}`)).toContainEqual(
        expect.objectContaining({ action: "release.withdrawn", actor }),
      );
    }
    const { releases } = (await operator.get("/operator/releases")).body as { releases: object[] };
    expect(releases.filter((release) => "withdrawn" in release)).toMatchObject([{ version: "2.0.0" }]);
  });

  test("ok/twice is once, and its counter is not used again", async () => {
    await publish();
    await withdraw();
    expect(await withdraw()).toMatchObject({ status: 200, body: { release: { withdrawn: { at: present } } } });
    expect(await publish()).toMatchObject({ status: 409 });
    expect(await publish({ counter: 2 })).toMatchObject({ status: 200 });
  });

  test.each([{ counter: 9 }, { hardware: "r9" }, { model: "other" }])(
    "fails/of %o, which is not there",
    async (changes) => {
      await publish();
      expect(await withdraw(changes)).toMatchObject({ status: 404, body: { code: "not-found" } });
    },
  );
});
