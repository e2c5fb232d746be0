import { beforeEach, describe, expect, test } from "vitest";

import { limits } from "@sealpost/protocol/limits.ts";
import { refusalBody, refusalCodes } from "@sealpost/protocol/messages/refusals.ts";
import { sealReply } from "@sealpost/protocol/messages/reply.ts";

import { cachedVersions } from "../../functions/receive/document-versions.ts";
import { readDocumentVersions } from "../../functions/store/catch-up.ts";
import { rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, startService } from "../support/service.ts";
import { type Speaker, newKeys, speaker, stored } from "./speaker.ts";

let service: TestService;
let device: Speaker;

beforeEach(async () => {
  service = await startService();
  const { deviceId, signer: signing, encryption } = await rawDevice(service);
  device = await speaker(service, deviceId, { signing, encryption });
  await device.exchange(device.claims("register", registration, { seq: 1 }));
});

describe("the largest reply that a device takes", () => {
  const sizeOf = async (seq: number, more: object = {}) => {
    const body = await device.renewal(next);
    const answered = await device.answer({ ...device.claims("renew", body, { seq }), ...more });
    return answered.kind === "sealed" ? answered.token.length : 0;
  };
  let next: Awaited<ReturnType<typeof newKeys>>;
  beforeEach(async () => {
    next = await newKeys();
  });

  test("ok/a reply of just that size", async () => {
    const replyBytes = await sizeOf(2);
    expect(await sizeOf(3, { replyBytes })).toBe(replyBytes);
  });

  test("fails/a larger one is refused by name, takes its effect and is not stored", async () => {
    const claims = device.claims("renew", await device.renewal(next), { seq: 2 });
    const replyBytes = (await sizeOf(2)) - 1;
    expect(replyBytes).toBeGreaterThan(limits.leastReplyBytes);
    const refused = await device.exchange({ ...claims, seq: 3, replyBytes });
    expect(refused).toMatchObject({ status: "reply-too-large", body: { retry: false } });
    expect((await stored(service, device.deviceId)).window.outcomes.get(3)?.status).toBe("ok");
    expect(await device.exchange({ ...claims, seq: 3 })).toMatchObject({ status: "ok" });
  });

  test("ok/every refusal fits the least that may be named", async () => {
    for (const code of refusalCodes) {
      const refusal = { code, field: "f".repeat(128), highest: Number.MAX_SAFE_INTEGER, time: present };
      const claims = { iat: present, request: "A".repeat(43) };
      const versions = { trustVersion: Number.MAX_SAFE_INTEGER, keySetVersion: Number.MAX_SAFE_INTEGER };
      const said = { status: code, body: { ...refusalBody(refusal) }, waiting: true } as const;
      const token = await sealReply({ ...claims, ...versions, ...said }, service.replyKey, device.keys.encryption.jwk);
      expect([code, token.length <= limits.leastReplyBytes]).toEqual([code, true]);
    }
  });
});

describe("versions of trust document and key set", () => {
  test("ok/in every sealed reply, refusals too", async () => {
    const versions = await readDocumentVersions(service.store);
    expect(versions).toEqual({ trustVersion: 1, keySetVersion: present });
    expect(await device.exchange(device.claims("firmware.check", {}, { seq: 2 }))).toMatchObject(versions);
    expect(await device.exchange(device.claims("register", registration, { seq: 3 }))).toMatchObject(versions);
  });

  test("ok/read once a minute, by however many messages", async () => {
    let [time, reads] = [present, 0];
    const versions = cachedVersions(
      async () => ({ trustVersion: (reads += 1), keySetVersion: 1 }),
      () => time,
    );
    await Promise.all(Array.from({ length: 20 }, versions));
    expect([await versions(), reads]).toMatchObject([{ trustVersion: 1 }, 1]);
    time += 60;
    expect([await versions(), reads]).toMatchObject([{ trustVersion: 2 }, 2]);
  });

  test("ok/a store that does not answer fails no message", async () => {
    let [time, down] = [present, true];
    const versions = cachedVersions(
      async () => {
        if (down) throw new Error("down");
        return { trustVersion: 7, keySetVersion: 8 };
      },
      () => time,
    );
    expect(await versions()).toEqual({ trustVersion: 0, keySetVersion: 0 });
    [time, down] = [time + 60, false];
    expect(await versions()).toEqual({ trustVersion: 7, keySetVersion: 8 });
    [time, down] = [time + 60, true];
    expect(await versions()).toEqual({ trustVersion: 7, keySetVersion: 8 });
  });
});
