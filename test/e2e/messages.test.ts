import { describe, expect, test } from "vitest";

import { limits } from "@sealpost/protocol/limits.ts";

import { certificateRequest } from "../../device/identity/certificate-request.ts";
import { agreementKey, signingKey } from "../support/keys.ts";
import { journalOf, operator, post, rawDevice, registration, windowOf } from "./world.ts";

const actions = async (deviceId: string) => (await journalOf(deviceId)).map(({ action }) => action);

describe("exactly once", () => {
  test("ok/the same token 50 times at once: one effect, one outcome", async () => {
    const { claimsOf, send, deviceId } = await rawDevice();
    const replies = await send(claimsOf("register", registration, { seq: 1 }), 50);
    expect(new Set(replies.map((reply) => JSON.stringify([reply.status, reply.body]))).size).toBe(1);
    expect(replies[0]?.status).toBe("ok");
    expect(await windowOf(deviceId)).toMatchObject({ revision: 1, high: 1 });
    expect(await actions(deviceId)).toEqual(["device.certified", "device.registered"]);
  });

  test("ok/a renewal under the same seq is the same message", async () => {
    const { claimsOf, send, deviceId } = await rawDevice();
    const claims = claimsOf("register", registration, { seq: 1 });
    const expired = { ...claims, iat: claims.iat - 7_200, exp: claims.exp - 7_200 };
    expect((await send(expired))[0]).toMatchObject({ status: "clock", body: { retry: true } });
    expect((await send(claims))[0]?.status).toBe("ok");
    expect((await send({ ...claims, exp: claims.exp + 1 }))[0]?.status).toBe("ok");
    expect((await windowOf(deviceId))["revision"]).toBe(1);
  });

  test("fails/a lost counter: conflict, then on above the highest", async () => {
    const { exchange } = await rawDevice();
    await exchange("register", registration, { seq: 3 });
    const conflict = await exchange("register", registration, { seq: 3 });
    expect(conflict).toMatchObject({ status: "conflict", body: { highest: 3, retry: false } });
    expect((await exchange("register", registration, { seq: 4 })).status).toBe("ok");
  });
});

describe("every refusal code, provoked once", () => {
  test("fails/malformed · unsupported-operation · not-registered", async () => {
    const { exchange } = await rawDevice();
    expect(await exchange("register", { ...registration, model: 5 }, { seq: 1 })).toMatchObject({
      status: "malformed",
      body: { field: "body.model" },
    });
    expect((await exchange("reboot", {}, { seq: 2 })).status).toBe("unsupported-operation");
    expect((await exchange("firmware.check", { firmware: registration.firmware }, { seq: 3 })).status).toBe(
      "not-registered",
    );
  });

  test("fails/too-far-ahead · below-window · clock · unknown-release", async () => {
    const { exchange, claimsOf, send } = await rawDevice();
    expect((await exchange("register", registration, { seq: limits.window + 1, ack: 0 })).status).toBe("too-far-ahead");
    expect((await exchange("register", registration, { seq: limits.window + 2 })).status).toBe("ok");
    expect((await exchange("register", registration, { seq: 1 })).status).toBe("below-window");
    const claims = claimsOf("register", registration, { seq: limits.window + 3 });
    expect((await send({ ...claims, iat: claims.iat - 7_200, exp: claims.iat - 3_600 }))[0]?.status).toBe("clock");
    const report = await exchange("firmware.report", { counter: 99, state: "failed" }, { seq: limits.window + 4 });
    expect(report.status).toBe("unknown-release");
  });

  test("fails/invalid-proof · superseded", async () => {
    const { exchange, deviceId, claimsOf, send } = await rawDevice();
    const keys = async () => ({ signing: (await signingKey()).pair, encryption: (await agreementKey()).pair });
    const foreign = await certificateRequest(await keys(), crypto.randomUUID());
    expect((await exchange("renew", foreign, { seq: 1 })).status).toBe("invalid-proof");
    const late = claimsOf("renew", await certificateRequest(await keys(), deviceId), { seq: 2, ack: 1 });
    expect((await exchange("renew", await certificateRequest(await keys(), deviceId), { seq: 3, ack: 1 })).status).toBe(
      "ok",
    );
    expect((await send(late))[0]?.status).toBe("superseded");
  });

  test("fails/revoked by the operator: the very next message", async () => {
    const { exchange, deviceId } = await rawDevice();
    expect((await exchange("register", registration, { seq: 1 })).status).toBe("ok");
    await operator("device", "revoke", deviceId);
    expect((await exchange("register", registration, { seq: 2 })).status).toBe("revoked");
    expect(await actions(deviceId)).toContain("device.revoked");
  });

  test("fails/gone after de-registration, which itself is answered again", async () => {
    const { exchange, deviceId } = await rawDevice();
    const left = await exchange("deregister", {}, { seq: 1 });
    expect(left.status).toBe("ok");
    expect((await exchange("register", registration, { seq: 2 })).status).toBe("gone");
    expect((await exchange("deregister", {}, { seq: 9 })).body).toEqual(left.body);
    expect((await actions(deviceId)).filter((action) => action === "device.deregistered")).toHaveLength(1);
  });
});

describe("what is not authenticated", () => {
  test("fails/one uniform answer", async () => {
    const { claimsOf, signer } = await rawDevice();
    const { sealRequest } = await import("@sealpost/protocol/messages/request.ts");
    const { serverKey } = await rawDevice();
    const claims = claimsOf("register", registration, { seq: 1 });
    const { token } = await sealRequest({ ...claims, iss: crypto.randomUUID() }, signer, serverKey);
    const answers = await Promise.all([
      post(token),
      post("not a token"),
      post(`${token}A`),
      post(`${token}A`, "text/plain"),
    ]);
    expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400]));
  });

  test("fails/too large", async () => {
    expect((await post("A".repeat(limits.tokenBytes + 10))).status).toBe(413);
  });
});
