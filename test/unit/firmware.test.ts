import { randomBytes } from "node:crypto";

import { beforeEach, describe, expect, test } from "vitest";

import { firmwareCheckReplySchema, type ManifestClaims } from "@sealpost/protocol/exchanges/firmware.ts";
import { openManifest, signManifest } from "@sealpost/protocol/documents/manifest.ts";

import { decideRelease } from "../../functions/operator/releases.ts";
import { parseRecord, releaseRecordSchema } from "../../functions/store/records.ts";
import { rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, serviceId, startService } from "../support/service.ts";
import { type Speaker, actionsOf, revoke, speaker, stored } from "./speaker.ts";

let service: TestService;
let device: Speaker;

beforeEach(async () => {
  service = await startService();
  const raw = await rawDevice(service);
  device = await speaker(service, raw.deviceId, { signing: raw.signer, encryption: raw.encryption });
  await device.exchange(device.claims("register", registration, { seq: 1 }));
});

const contentKey = randomBytes(32);

/** Publishes as the operator API does. */
async function publish(counter: number, more: Partial<ManifestClaims> = {}) {
  const claims: ManifestClaims = {
    iss: serviceId,
    iat: present,
    exp: present + 86_400,
    model: registration.model,
    hardware: [registration.hardware],
    version: `${counter}.0.0`,
    counter,
    size: 10,
    sha256: "A".repeat(43),
    chunkBytes: 65_536,
    chunks: ["A".repeat(43)],
    object: `object-${String(counter).padStart(20, "0")}`,
    ...more,
  };
  const manifest = await signManifest(claims, [service.releaseKey]);
  const act = { actor: "operator", now: present, unique: `u${counter}` };
  const target = `${claims.model}#${claims.hardware[0]}`;
  const [newest] = await service.store.read([{ table: "releases", key: { target, counter: 0 } }]);
  const before = newest && parseRecord(releaseRecordSchema, newest);
  const decided = decideRelease({ manifest, claims, wrappedKey: contentKey.toString("base64") }, [before], act);
  if (!("puts" in decided)) throw new Error("not published");
  expect(await service.store.write(decided.puts)).toBe(true);
  return manifest;
}

const check = (seq: number, counter = 1) =>
  device.claims("firmware.check", { firmware: { version: "1.0.0", counter } }, { seq });
const report = (seq: number, body: object) => device.claims("firmware.report", body, { seq });
const offerOf = async (seq: number, counter?: number, now?: number) => {
  const reply = await device.exchange(check(seq, counter), now === undefined ? {} : { now });
  return firmwareCheckReplySchema.parse(reply.body).offer;
};

describe("firmware.check", () => {
  test("ok/nothing is offered where nothing is published", async () => {
    expect(await offerOf(2)).toBeNull();
  });

  test("ok/the newest release, its signed manifest and its key", async () => {
    const manifest = await publish(5);
    const offer = await offerOf(2);
    expect(offer).toEqual({ manifest, contentKey: contentKey.toString("base64url") });
    expect(await openManifest(offer?.manifest ?? [], service.trust)).toMatchObject({ counter: 5 });
  });

  test.each([[5], [6]])("ok/nothing to a device that runs counter %i of 5", async (counter) => {
    await publish(5);
    expect(await offerOf(2, counter)).toBeNull();
  });

  test("ok/nothing that has expired", async () => {
    await publish(5, { exp: present + 10 });
    const sent = device.claims("firmware.check", { firmware: registration.firmware }, { seq: 2 });
    const reply = await device.exchange(sent, { now: present + 10 });
    expect(reply.body).toEqual({ offer: null });
  });

  test("ok/nothing of another model or hardware", async () => {
    await publish(5, { hardware: ["r2"] });
    await publish(6, { model: "other" });
    expect(await offerOf(2)).toBeNull();
  });

  test("ok/a repeat is offered the same, though a newer release came between", async () => {
    await publish(5);
    const sent = check(2);
    const first = await device.exchange(sent);
    await publish(6);
    expect(await device.exchange(sent)).toEqual(first);
    expect((await offerOf(3))?.manifest).not.toEqual(firmwareCheckReplySchema.parse(first.body).offer?.manifest);
  });

  test("ok/content keys are not at rest in the device's items", async () => {
    await publish(5);
    await offerOf(2);
    const { window } = await stored(service, device.deviceId);
    expect(window.outcomes.get(2)?.result).toEqual({ offered: { target: "meter-1#r1", counter: 5 } });
  });

  test("ok/a repeat after the device was registered as other hardware is answered", async () => {
    await publish(5);
    const sent = check(2);
    await device.exchange(sent);
    await device.exchange(device.claims("register", { ...registration, hardware: "r2" }, { seq: 3, ack: 1 }));
    expect((await device.exchange(sent)).status).toBe("ok");
  });
});

describe("firmware.report", () => {
  test.each(["installed", "failed", "rolled-back"])("ok/%s is a turn in the device's life", async (state) => {
    await publish(5);
    expect((await device.exchange(report(2, { counter: 5, state }))).status).toBe("ok");
    const { identity } = await stored(service, device.deviceId);
    expect(identity.update).toEqual({ counter: 5, state, at: present });
    expect(identity.registration?.firmware.counter).toBe(state === "installed" ? 5 : 1);
    expect(await actionsOf(service, device.deviceId)).toContain("firmware.reported");
  });

  test.each(["downloading", "verified"])("ok/%s is progress", async (state) => {
    await publish(5);
    await device.exchange(report(2, { counter: 5, state }));
    expect((await stored(service, device.deviceId)).identity.update?.state).toBe(state);
    expect(await actionsOf(service, device.deviceId)).not.toContain("firmware.reported");
  });

  test("fails/a release of other hardware", async () => {
    await publish(5, { hardware: ["r2"] });
    expect(await device.exchange(report(2, { counter: 5, state: "installed" }))).toMatchObject({
      status: "unknown-release",
      body: { retry: false },
    });
  });

  const malformed: [string, object, string][] = [
    ["state", { counter: 5, state: "happy" }, "body.state"],
    ["counter 0, which is no release", { counter: 0, state: "failed" }, "body.counter"],
    ["reason", { counter: 5, state: "failed", reason: "It broke." }, "body.reason"],
    ["unknown member", { counter: 5, state: "failed", extra: 1 }, "body.(unknown member)"],
  ];
  test.each(malformed)("fails/%s", async (_, body, field) => {
    expect(await device.exchange(report(2, body))).toMatchObject({ status: "malformed", body: { field } });
  });
});

describe("journal", () => {
  test("ok/each change of a device's life, in order, and nothing for what is none", async () => {
    await publish(5);
    await offerOf(2);
    await device.exchange(report(3, { counter: 5, state: "verified" }));
    await device.exchange(report(4, { counter: 5, state: "installed" }), { now: present + 1 });
    await device.exchange(device.claims("deregister", { reason: "sold" }, { seq: 5 }), { now: present + 2 });
    const actions = (await actionsOf(service, device.deviceId)).toSorted();
    expect(actions).toEqual(["device.certified", "device.deregistered", "device.registered", "firmware.reported"]);
  });

  test("ok/a revocation", async () => {
    await revoke(service, device.deviceId, present + 1);
    expect((await actionsOf(service, device.deviceId)).at(-1)).toBe("device.revoked");
  });
});
