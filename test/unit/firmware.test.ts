import { randomBytes } from "node:crypto";

import { beforeEach, describe, expect, test, vi } from "vitest";

import { firmwareCheckReplySchema, type ManifestClaims } from "@sealpost/protocol/exchanges/firmware.ts";
import { openManifest, signManifest } from "@sealpost/protocol/documents/manifest.ts";

import { decideRelease } from "../../functions/operator/releases.ts";
import { offersRecordSchema, parseRecord } from "../../functions/store/records.ts";
import { itemBytes } from "../../functions/store/item-bytes.ts";
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
    recordBytes: 65_536,
    recordsSha256: "A".repeat(43),
    object: `object-${String(counter).padStart(20, "0")}`,
    ...more,
  };
  const manifest = await signManifest(claims, [service.releaseKey]);
  const act = { actor: "operator", now: present, unique: `u${counter}` };
  const items = await service.store.read(
    claims.hardware.map((one) => ({ table: "releases", key: { target: `${claims.model}#${one}`, counter: 0 } })),
  );
  const before = items.map((item) => item && parseRecord(offersRecordSchema, item));
  const decided = decideRelease({ manifest, claims, wrappedKey: contentKey.toString("base64") }, before, act);
  if (!("puts" in decided)) throw new Error("not published");
  expect(await service.store.write(decided.puts)).toBe(true);
  return manifest;
}

const check = (seq: number, counter = 1) =>
  device.claims("firmware.check", { firmware: { version: "1.0.0", counter } }, { seq });
const report = (seq: number, body: object) => device.claims("firmware.report", body, { seq });
const sent = ({ body }: { readonly body: object }) => {
  const { offer } = firmwareCheckReplySchema.parse(body);
  return offer && "manifest" in offer ? offer : undefined;
};
const offerOf = async (seq: number, counter?: number) => sent(await device.exchange(check(seq, counter)));
/** Counter of what is offered; null for nothing. */
const offered = async (seq: number, more: object = {}, now = present) => {
  const body = { firmware: registration.firmware, ...more };
  const reply = await device.exchange(device.claims("firmware.check", body, { seq }), { now });
  const offer = sent(reply);
  return offer
    ? (await openManifest(offer.manifest, service.trust)).counter
    : firmwareCheckReplySchema.parse(reply.body).offer;
};

describe("firmware.check", () => {
  test("ok/nothing is offered where nothing is published", async () => {
    expect(await offered(2)).toBeNull();
  });

  test("ok/the newest release, its signed manifest and its key", async () => {
    const manifest = await publish(5);
    const offer = await offerOf(2);
    expect(offer).toEqual({ manifest, contentKey: contentKey.toString("base64url") });
    expect(await openManifest(offer?.manifest ?? [], service.trust)).toMatchObject({ counter: 5 });
  });

  test.each([[5], [6]])("ok/nothing to a device that runs counter %i of 5", async (counter) => {
    await publish(5);
    expect(await offerOf(2, counter)).toBeUndefined();
  });

  test("ok/nothing that has expired", async () => {
    await publish(5, { exp: present + 10 });
    expect(await offered(2, {}, present + 10)).toBeNull();
  });

  test("ok/an older one that is valid, where the newest has expired", async () => {
    await publish(5);
    await publish(6, { exp: present + 20 });
    await publish(7, { exp: present + 10 });
    expect(await offered(2)).toBe(7);
    expect(await offered(3, {}, present + 10)).toBe(6);
    expect(await offered(4, {}, present + 20)).toBe(5);
  });

  test("ok/what the device has already is not sent again, and its withdrawal or successor is", async () => {
    await publish(5, { exp: present + 20 });
    expect(await offered(2, { held: 5 })).toEqual({ held: true });
    await publish(6, { exp: present + 10 });
    expect(await offered(3, { held: 5 })).toBe(6);
    expect(await offered(4, { held: 6 }, present + 10)).toBe(5);
    expect(await offered(5, { held: 5 }, present + 20)).toBeNull();
  });

  test.each(["failed", "rolled-back"])("ok/what %s here is offered again on request alone", async (state) => {
    await publish(5);
    await device.exchange(report(2, { counter: 5, state }));
    expect(await offered(3)).toBeNull();
    expect(await offered(4, { again: true })).toBe(5);
    expect(await offered(5, { held: 5 })).toEqual({ held: true });
    await device.exchange(report(6, { counter: 5, state: "downloading" }));
    expect(await offered(7)).toBe(5);
    await publish(6);
    await device.exchange(report(8, { counter: 5, state }));
    expect(await offered(9)).toBe(6);
  });

  test("ok/as other hardware it is another release", async () => {
    await publish(5);
    await publish(5, { hardware: ["r2"], object: "object-of-other-hardware" });
    await device.exchange(report(2, { counter: 5, state: "failed" }));
    await device.exchange(device.claims("register", { ...registration, hardware: "r2" }, { seq: 3 }));
    expect(await offered(4)).toBe(5);
  });

  test("ok/an up-to-date device costs the same reads whatever was published, and so does one that holds the offer", async () => {
    const units = async (seq: number, more: object) => {
      const reads: (object | undefined)[] = [];
      const spied = vi.spyOn(service.store, "read").mockImplementation(async (keys) => {
        const items = await read(keys);
        reads.push(...items);
        return items;
      });
      await offered(seq, more);
      spied.mockRestore();
      return reads.reduce((sum, item) => sum + Math.ceil(Math.max(item ? itemBytes(item) : 1, 1) / 4_096), 0);
    };
    const { read } = service.store;
    const running = (counter: number) => ({ firmware: { version: "1.0.0", counter } });
    const hardware = ["r1", ...Array.from({ length: 15 }, (_, at) => `${at}`.padEnd(32, "x"))];
    expect(await units(2, running(0))).toBe(4);
    for (let counter = 1; counter <= 80; counter += 1) await publish(counter, { size: 268_435_456, hardware });
    expect(await units(3, running(80))).toBe(4);
    expect(await units(4, { ...running(79), held: 80 })).toBe(4);
  });

  test("ok/nothing of another model or hardware", async () => {
    await publish(5, { hardware: ["r2"] });
    await publish(6, { model: "other" });
    expect(await offered(2)).toBeNull();
  });

  test("ok/a repeat is offered the same, though a newer release came between", async () => {
    await publish(5);
    const claims = check(2);
    const first = await device.exchange(claims);
    await publish(6);
    expect(await device.exchange(claims)).toEqual(first);
    expect((await offerOf(3))?.manifest).not.toEqual(sent(first)?.manifest);
  });

  test("ok/content keys are not at rest in the device's items", async () => {
    await publish(5);
    await offerOf(2);
    const { window } = await stored(service, device.deviceId);
    expect(window.outcomes.get(2)?.result).toEqual({ offered: { target: "meter-1#r1", counter: 5 } });
  });

  test("ok/a repeat after the device was registered as other hardware is answered", async () => {
    await publish(5);
    const claims = check(2);
    await device.exchange(claims);
    await device.exchange(device.claims("register", { ...registration, hardware: "r2" }, { seq: 3, ack: 1 }));
    expect((await device.exchange(claims)).status).toBe("ok");
  });
});

describe("firmware.report", () => {
  test.each(["installed", "failed", "rolled-back"])("ok/%s is a turn in the device's life", async (state) => {
    await publish(5);
    expect((await device.exchange(report(2, { counter: 5, state }))).status).toBe("ok");
    const { identity } = await stored(service, device.deviceId);
    expect(identity.update).toEqual({ counter: 5, state, at: present, seq: 2 });
    expect(identity.registration?.firmware.counter).toBe(state === "installed" ? 5 : 1);
    expect(await actionsOf(service, device.deviceId)).toContain("firmware.reported");
  });

  test.each(["downloading", "verified"])("ok/%s is progress", async (state) => {
    await publish(5);
    await device.exchange(report(2, { counter: 5, state }));
    expect((await stored(service, device.deviceId)).identity.update?.state).toBe(state);
    expect(await actionsOf(service, device.deviceId)).not.toContain("firmware.reported");
  });

  test("ok/one that was overtaken does not take back what came after it", async () => {
    await publish(5);
    await publish(6);
    await device.exchange(report(9, { counter: 6, state: "installed" }));
    await device.exchange(report(8, { counter: 5, state: "installed" }));
    await device.exchange(report(7, { counter: 6, state: "downloading" }));
    const { identity } = await stored(service, device.deviceId);
    expect(identity.update).toMatchObject({ counter: 6, state: "installed", seq: 9 });
    expect(identity.registration?.firmware.counter).toBe(6);
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
