import { beforeEach, describe, expect, test, vi } from "vitest";

import { limits } from "@sealpost/protocol/limits.ts";
import { openReceipt } from "@sealpost/protocol/documents/receipt.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";

import { makeHandler } from "../../functions/carriers/http.ts";
import { answerMessage } from "../../functions/receive/answer.ts";
import { readDevice } from "../../functions/registry/device.ts";
import { type RawDevice, rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, startService } from "../support/service.ts";
import { itemsOf, journalOf, unforgotten } from "./speaker.ts";

let service: TestService;
let device: RawDevice;

beforeEach(async () => {
  service = await startService();
  device = await rawDevice(service);
});

const status = async () => (await readDevice(service.store, device.deviceId, 1))?.status;

describe("registration", () => {
  for (const key of ["rsa", "agreement"] as const) {
    test(`ok/sealed to the ${key} key`, async () => {
      const claims = await device.claimsOf("register", registration, { seq: 1 }, { key });
      const reply = await device.exchange(claims, present, key);
      expect(reply.status).toBe("ok");
      expect(await status()).toBe("registered");
    });
  }
});

describe("registration again", () => {
  const entries = async () =>
    (await journalOf(service, device.deviceId)).filter(({ action }) => action === "device.registered").length;
  const register = async (seq: number, more: Partial<typeof registration> = {}) => {
    const claims = await device.claimsOf("register", { ...registration, ...more }, { seq, ack: seq - 1 });
    return device.exchange(claims, present + seq);
  };

  test("ok/with nothing new is answered alike, and changes the window alone", async () => {
    const first = await register(1);
    const [identity] = await itemsOf(service, device.deviceId);
    for (let seq = 2; seq < 6; seq += 1) expect((await register(seq)).body).toEqual(first.body);
    expect(await itemsOf(service, device.deviceId)).toMatchObject([identity, { high: 5 }]);
    expect(await entries()).toBe(1);
  });

  test.each([
    { model: "meter-2" },
    { hardware: "r2" },
    { firmware: { version: "1.0.1", counter: 1 } },
    { firmware: { version: "1.0.0", counter: 2 } },
    { capabilities: ["valve"] as never[] },
  ])("ok/with %j is stored and recorded", async (more) => {
    await register(1);
    await register(2, more);
    expect((await readDevice(service.store, device.deviceId, 1))?.identity.registration).toMatchObject(more);
    expect(await entries()).toBe(2);
  });
});

describe("exactly once", () => {
  test("ok/a repeated token has one effect and the same outcome", async () => {
    const claims = await device.claimsOf("register", registration, { seq: 1 });
    const first = await device.exchange(claims);
    const again = await device.exchange(claims, present + 5);
    expect(again.body).toEqual(first.body);
    const { items } = await service.store.list({
      table: "journal",
      partition: ["target", `device#${device.deviceId}`],
      limit: 10,
    });
    expect(items.map((item) => item["action"]).filter((action) => action === "device.registered")).toHaveLength(1);
  });

  test("ok/50 at once", async () => {
    const claims = await device.claimsOf("register", registration, { seq: 1 });
    const { token, jws } = await device.seal(claims);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => answerMessage(service.messages, token, present)),
    );
    for (const answer of answers) {
      if (answer.kind === "problem") throw new Error("problem");
      expect((await device.open(answer.token, jws)).status).toBe("ok");
    }
    const stored = await readDevice(service.store, device.deviceId, 1);
    expect(stored?.stored.window?.revision).toBe(1);
  });

  test("ok/renewed times under the same seq are the same message", async () => {
    const claims = await device.claimsOf("register", registration, { seq: 1 });
    await device.exchange(claims);
    const renewed = await device.exchange({ ...claims, iat: present + 10, exp: present + 20 }, present + 15);
    expect(renewed.status).toBe("ok");
  });

  test("ok/an acknowledged repeat gets the status and no content", async () => {
    const first = await device.claimsOf("register", registration, { seq: 1 });
    await device.exchange(first);
    await device.exchange(await device.claimsOf("register", registration, { seq: 2, ack: 1 }));
    expect(await device.exchange(first)).toMatchObject({ status: "ok", body: {} });
  });

  test("fails/another message under a used seq is a conflict", async () => {
    await device.exchange(await device.claimsOf("register", registration, { seq: 7 }));
    const other = await device.exchange(await device.claimsOf("register", registration, { seq: 7 }));
    expect(other).toMatchObject({ status: "conflict", body: { highest: 7, retry: false } });
  });

  test("fails/below the window its fate is unknown", async () => {
    await device.exchange(await device.claimsOf("register", registration, { seq: limits.window + 1, ack: 1 }));
    const late = await device.exchange(await device.claimsOf("register", registration, { seq: 1 }));
    expect(late).toMatchObject({ status: "below-window", body: { highest: limits.window + 1 } });
  });

  test("fails/too far ahead is not stored", async () => {
    const claims = await device.claimsOf("register", registration, { seq: limits.window + 1 });
    expect(await device.exchange(claims)).toMatchObject({ status: "too-far-ahead", body: { retry: true } });
    expect((await readDevice(service.store, device.deviceId, 1))?.window.high).toBe(0);
  });
});

describe("time", () => {
  const cases = {
    "made in the future": { iat: present + limits.clockSkewSeconds + 1, exp: present + 3_600 },
    expired: { iat: present - 10, exp: present },
  };
  for (const [name, claims] of Object.entries(cases)) {
    test(`fails/${name} is retryable and carries the service's time`, async () => {
      const sent = await device.claimsOf("register", registration, { seq: 1 }, { claims });
      expect(await device.exchange(sent)).toMatchObject({ status: "clock", body: { retry: true, time: present } });
      expect(await status()).toBe("provisioned");
    });
  }
});

describe("a lifetime that no clock could make right", () => {
  const cases = {
    "valid for too long": { iat: present, exp: present + limits.longestLifetimeSeconds + 1 },
    "ends before it begins": { iat: present, exp: present },
  };
  for (const [name, claims] of Object.entries(cases)) {
    test(`fails/${name} is a defect, for good`, async () => {
      const sent = await device.claimsOf("register", registration, { seq: 1 }, { claims });
      expect(await device.exchange(sent)).toMatchObject({ status: "malformed", body: { retry: false, field: "exp" } });
    });
  }
});

describe("refusals", () => {
  test("fails/unknown operation", async () => {
    const reply = await device.exchange(await device.claimsOf("reboot", {}, { seq: 1 }));
    expect(reply).toMatchObject({ status: "unsupported-operation", body: { field: "operation", retry: false } });
  });

  test("fails/firmware before registration", async () => {
    const body = { firmware: registration.firmware };
    const reply = await device.exchange(await device.claimsOf("firmware.check", body, { seq: 1 }));
    expect(reply.status).toBe("not-registered");
  });

  test("fails/a malformed body names the member and uses up the seq", async () => {
    const claims = await device.claimsOf("register", { ...registration, model: "" }, { seq: 1 });
    expect(await device.exchange(claims)).toMatchObject({ status: "malformed", body: { field: "body.model" } });
    expect((await readDevice(service.store, device.deviceId, 1))?.window.high).toBe(1);
    expect(await device.exchange(claims)).toMatchObject({ status: "malformed", body: { field: "body.model" } });
  });

  test("fails/a malformed claim is told under the certified key", async () => {
    const claims = await device.claimsOf("register", registration, { seq: 1 }, { claims: { ack: 1 } });
    expect(await device.exchange(claims)).toMatchObject({ status: "malformed", body: { field: "ack" } });
    expect((await readDevice(service.store, device.deviceId, 1))?.window.high).toBe(0);
  });

  test("fails/a report of a release that was never published", async () => {
    await device.exchange(await device.claimsOf("register", registration, { seq: 1 }));
    const report = await device.claimsOf("firmware.report", { counter: 9, state: "installed" }, { seq: 2, ack: 1 });
    expect((await device.exchange(report)).status).toBe("unknown-release");
  });
});

describe("deregistration", () => {
  test("ok/the receipt comes back, at any seq, and everything else is gone", async () => {
    const reply = await device.exchange(await device.claimsOf("deregister", {}, { seq: 1 }));
    const receipt = String(reply.status === "ok" ? reply.body["receipt"] : "");
    const about = {
      sub: device.deviceId,
      signingKey: device.signer.kid,
      encryptionKey: await thumbprint(device.encryption.jwk),
    };
    expect(await openReceipt(receipt, service.trust, about)).toMatchObject({ type: "deregistration" });
    const again = await device.exchange(await device.claimsOf("deregister", {}, { seq: 500, ack: 499 }));
    expect(again).toMatchObject({ status: "ok", body: { receipt } });
    const other = await device.exchange(await device.claimsOf("register", registration, { seq: 2, ack: 1 }));
    expect(other.status).toBe("gone");
    expect(await status()).toBe("deregistered");
  });
});

describe("a gateway that changes the media type", () => {
  test.each([undefined, "text/plain", "application/json", "application/octet-stream"])(
    "ok/does not lose the message as %s",
    async (mediaType) => {
      vi.spyOn(process.stdout, "write").mockReturnValue(true);
      const claims = await device.claimsOf("register", registration, { seq: 1 });
      const { token, jws } = await device.seal(claims);
      const headers = mediaType === undefined ? {} : { "content-type": mediaType };
      const event = { routeKey: "POST /messages", headers, body: token, isBase64Encoded: false };
      const { statusCode, body } = await makeHandler(service.messages, () => present * 1000)(event);
      expect(statusCode).toBe(200);
      expect((await device.open(body ?? "", jws)).status).toBe("ok");
    },
  );
});

describe("what is not proven", () => {
  const problemOf = async (token: string, now = present) => {
    const answered = await answerMessage(service.messages, token, now);
    if (answered.kind !== "problem") throw new Error("sealed");
    return answered;
  };

  test("fails/every reason gets the same bytes", async () => {
    const claims = await device.claimsOf("register", registration, { seq: 1 });
    const { token } = await device.seal(claims);
    const stranger = await rawDevice(await startService(), device.deviceId);
    const flipped = token.replace(/.$/, (last) => (last === "A" ? "Q" : "A"));
    const elsewhere = await device.seal({ ...claims, aud: "another-service" });
    const misbound = await device.seal({ ...claims, serverKey: service.serverKeys.agreement.kid });
    const unknown = await device.seal({ ...claims, iss: crypto.randomUUID() });
    const foreign = await stranger.seal(claims).then(() => stranger);
    const otherKey = await device.seal(claims).then(async () => {
      const { sealRequest } = await import("@sealpost/protocol/messages/request.ts");
      return sealRequest(claims, foreign.signer, service.serverKeys.rsa);
    });
    const answers = await Promise.all(
      ["", "a.b.c.d.e", flipped, elsewhere.token, misbound.token, unknown.token, otherKey.token].map((text) =>
        problemOf(text),
      ),
    );
    const bodies = new Set(answers.map(({ body }) => JSON.stringify(body)));
    expect([...bodies]).toEqual([expect.stringContaining("not-accepted")]);
    expect(new Set(answers.map(({ log }) => log["reason"])).size).toBeGreaterThan(4);
  });

  test("fails/a key that is not present says so and carries signed documents", async () => {
    const claims = await device.claimsOf("register", registration, { seq: 1 });
    const old = await rawDevice(await startService());
    const { token } = await old.seal(claims);
    const { body } = await problemOf(token);
    expect(body).toMatchObject({
      code: "key-retired",
      status: 409,
      keySet: service.keySet.token,
      trust: service.chain,
    });
  });

  test("fails/too large", async () => {
    expect((await problemOf("a".repeat(limits.tokenBytes + 1))).body.code).toBe("too-large");
  });
});

describe("a restored registry", () => {
  test("ok/re-adopts a device that the journal knows", async () => {
    const restored = await startService();
    const items = await unforgotten(service, device.deviceId);
    await restored.store.write(items.map((item) => ({ table: "journal", item, when: "absent" })));
    const there = { ...device, claims: await device.claimsOf("register", registration, { seq: 40, ack: 39 }) };
    const claims = { ...there.claims, serverKey: restored.serverKeys.rsa.kid };
    const { sealRequest } = await import("@sealpost/protocol/messages/request.ts");
    const { token } = await sealRequest(claims, device.signer, restored.serverKeys.rsa);
    expect((await answerMessage({ ...restored.messages, generation: 2 }, token, present)).kind).toBe("sealed");
    expect((await readDevice(restored.store, device.deviceId, 2))?.status).toBe("registered");
  });
});
