import { beforeEach, describe, expect, test } from "vitest";

import { limits } from "@sealpost/protocol/limits.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { refusalCodes, refusals } from "@sealpost/protocol/messages/refusals.ts";

import { answerMessage } from "../../functions/receive/answer.ts";
import type { MessagePorts } from "../../functions/receive/ports.ts";
import { rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, startService } from "../support/service.ts";
import { type Claims, type Speaker, actionsOf, encrypt, newKeys, revoke, speaker, stored } from "./speaker.ts";

let service: TestService;
let device: Speaker;

beforeEach(async () => {
  service = await startService();
  const raw = await rawDevice(service);
  device = await speaker(service, raw.deviceId, { signing: raw.signer, encryption: raw.encryption });
});

const register = (seq: number, more: Claims = {}) => device.claims("register", registration, { seq }, more);
const highest = async () => (await stored(service, device.deviceId)).window.high;
const expired = { iat: present - 100, exp: present - 1 };

describe("order of checks: whichever comes first decides", () => {
  const W = limits.window;

  test("fails/authentic before below the window", async () => {
    await device.exchange(register(W + 5));
    const { token } = await device.seal(register(1), (await newKeys()).signing);
    expect((await answerMessage(service.messages, token, present)).kind).toBe("problem");
  });

  test("fails/below the window before seq used", async () => {
    const first = register(1);
    await device.exchange(first);
    await device.exchange(register(W + 1));
    expect((await device.exchange(first)).status).toBe("below-window");
  });

  test("fails/below the window before status", async () => {
    await device.exchange(register(W + 5));
    await revoke(service, device.deviceId);
    expect((await device.exchange(register(1))).status).toBe("below-window");
  });

  test("ok/a stored outcome before status", async () => {
    const first = register(1);
    const before = await device.exchange(first);
    await revoke(service, device.deviceId);
    expect(await device.exchange(first)).toEqual(before);
  });

  test("fails/conflict before status", async () => {
    await device.exchange(register(1));
    await revoke(service, device.deviceId);
    expect((await device.exchange(register(1))).status).toBe("conflict");
  });

  test("ok/a stored outcome before time", async () => {
    const first = register(1);
    await device.exchange(first);
    expect((await device.exchange({ ...first, ...expired })).status).toBe("ok");
  });

  test("fails/conflict before time", async () => {
    await device.exchange(register(1));
    expect((await device.exchange(register(1, expired))).status).toBe("conflict");
  });

  test("fails/status before ack + W", async () => {
    await revoke(service, device.deviceId);
    expect((await device.exchange(register(W + 9, { ack: 0 }))).status).toBe("revoked");
  });

  const ends: [string, () => Promise<unknown>][] = [
    ["revoked", () => revoke(service, device.deviceId)],
    ["gone", () => device.exchange(device.claims("deregister", {}, { seq: 1 }))],
  ];
  test.each(ends)("fails/%s, told beyond ack + W without moving the window", async (status, end) => {
    await end();
    const before = await highest();
    expect((await device.exchange(register(2 ** 53 - 1, { ack: 0 }))).status).toBe(status);
    expect(await highest()).toBe(before);
    expect((await device.exchange(register(before + 1))).status).toBe(status);
    expect(await highest()).toBe(before + 1);
  });

  test("fails/status before time", async () => {
    await revoke(service, device.deviceId);
    expect((await device.exchange(register(1, expired))).status).toBe("revoked");
  });

  test("fails/ack + W before time", async () => {
    expect((await device.exchange(register(W + 1, { ack: 0, ...expired }))).status).toBe("too-far-ahead");
  });

  const executed: [string, string, object][] = [
    ["an unknown operation", "reboot", {}],
    ["a malformed body", "register", { model: 1 }],
    ["an operation of another status", "firmware.check", { firmware: registration.firmware }],
  ];
  test.each(executed)("fails/time before %s", async (_, operation, body) => {
    expect((await device.exchange(device.claims(operation, body, { seq: 1 }, expired))).status).toBe("clock");
    expect(await highest()).toBe(0);
  });

  test("ok/a tombstone's receipt before all of them", async () => {
    const first = await device.exchange(device.claims("deregister", {}, { seq: W + 5 }));
    for (const sent of [
      device.claims("deregister", {}, { seq: 1 }),
      device.claims("deregister", {}, { seq: W + 5 }),
      device.claims("deregister", {}, { seq: 9 * W, ack: 0 }, expired),
    ]) {
      expect(await device.exchange(sent)).toMatchObject({ status: "ok", body: first.body });
    }
  });
});

describe("revoked", () => {
  beforeEach(async () => {
    await device.exchange(register(1));
    await revoke(service, device.deviceId);
  });

  test.each([
    ["register", registration],
    ["deregister", {}],
    ["firmware.check", {}],
    ["reboot", {}],
  ])("fails/%s is refused for good", async (operation, body) => {
    const reply = await device.exchange(device.claims(operation, body, { seq: 2 }));
    expect(reply).toMatchObject({ status: "revoked", body: { retry: false } });
    expect((await stored(service, device.deviceId)).status).toBe("revoked");
    expect(await highest()).toBe(2);
  });

  test("fails/a renewal signed by the right key", async () => {
    const body = await device.renewal(await newKeys());
    expect((await device.exchange(device.claims("renew", body, { seq: 2 }))).status).toBe("revoked");
  });

  test("fails/a message that was under way when the device was revoked", async () => {
    const other = await rawDevice(service);
    let pending: (() => Promise<void>) | undefined = () => revoke(service, other.deviceId);
    const ports: MessagePorts = {
      ...service.messages,
      store: {
        ...service.store,
        write: async (puts) => {
          const happens = pending;
          pending = undefined;
          await happens?.();
          return service.store.write(puts);
        },
      },
    };
    const by = await speaker(service, other.deviceId, { signing: other.signer, encryption: other.encryption });
    expect((await by.exchange(by.claims("register", registration, { seq: 1 }), { ports })).status).toBe("revoked");
    expect((await stored(service, other.deviceId)).identity.registration).toBeUndefined();
  });
});

describe("a defect of the claims, told under seal", () => {
  const usable: [string, Claims, string][] = [
    ["exp", { exp: undefined }, "exp"],
    ["iat", { iat: "now" }, "iat"],
    ["a negative time", { iat: -1 }, "iat"],
    ["a fraction", { exp: 1.5 }, "exp"],
    ["jti", { jti: undefined }, "jti"],
    ["a short jti", { jti: "short" }, "jti"],
    ["operation", { operation: undefined }, "operation"],
    ["an operation in capitals", { operation: "REGISTER" }, "operation"],
    ["body", { body: undefined }, "body"],
    ["a body that is a list", { body: [] }, "body"],
    ["reply key", { replyKey: undefined }, "replyKey"],
    ["a reply key that nobody certified", { replyKey: "A".repeat(43) }, "replyKey"],
    ["an unknown claim", { nbf: 0 }, "(unknown member)"],
  ];
  test.each(usable)("fails/%s, with a usable seq: stored", async (_, more, field) => {
    const sent = register(1, more);
    expect(await device.exchange(sent)).toMatchObject({ status: "malformed", body: { field, retry: false } });
    expect(await highest()).toBe(1);
    expect(await device.exchange(sent)).toMatchObject({ status: "malformed", body: { field } });
    expect((await device.exchange(register(1))).status).toBe("conflict");
  });

  const unusable: [string, Claims, string][] = [
    ["seq", { seq: undefined }, "seq"],
    ["seq 0", { seq: 0, ack: 0 }, "seq"],
    ["seq beyond safe integers", { seq: 2 ** 53, ack: 0 }, "seq"],
    ["seq as text", { seq: "1" }, "seq"],
    ["ack", { ack: undefined }, "ack"],
    ["a negative ack", { ack: -1 }, "ack"],
    ["ack that is not below seq", { ack: 1 }, "ack"],
  ];
  test.each(unusable)("fails/%s: nothing is stored", async (_, more, field) => {
    expect(await device.exchange(register(1, more))).toMatchObject({
      status: "malformed",
      body: { field, retry: false },
    });
    expect(await highest()).toBe(0);
    expect((await device.exchange(register(1))).status).toBe("ok");
  });

  test("fails/a one-time key that is no point of the curve is told under the certified one", async () => {
    const { jwk } = (await newKeys()).encryption;
    const bent = { ...jwk, y: `${jwk.y.startsWith("A") ? "B" : "A"}${jwk.y.slice(1)}` };
    expect(await device.exchange(register(1, { replyKey: oneTime(bent) }))).toMatchObject({
      status: "malformed",
      body: { field: "replyKey" },
    });
  });

  test("fails/a private one-time key", async () => {
    const { jwk, pair } = (await newKeys()).encryption;
    const { d } = await crypto.subtle.exportKey("jwk", pair.privateKey);
    expect(await device.exchange(register(1, { replyKey: oneTime({ ...jwk, d }) }))).toMatchObject({
      status: "malformed",
      body: { field: "replyKey.(unknown member)" },
    });
  });
});

const oneTime = (jwk: object) => ({ ...jwk, alg: "ECDH-ES" });

describe("one-time reply key", () => {
  test("ok/the reply is sealed to it, and to nothing else", async () => {
    const { encryption } = await newKeys();
    const sent = register(1, { replyKey: oneTime(encryption.jwk) });
    const { token, jws } = await device.seal(sent);
    const answered = await answerMessage(service.messages, token, present);
    if (answered.kind === "problem") throw new Error("problem");
    expect((await device.open(answered.token, jws, encryption)).status).toBe("ok");
    await expect(device.open(answered.token, jws)).rejects.toMatchObject({ code: "decryption" });
  });

  test("ok/a repeat may name another", async () => {
    const sent = register(1);
    const first = await device.exchange(sent);
    const { encryption } = await newKeys();
    expect(await device.exchange({ ...sent, replyKey: oneTime(encryption.jwk) }, {}, encryption)).toMatchObject({
      body: first.body,
    });
    expect(await thumbprint(encryption.jwk)).not.toBe(await thumbprint(device.keys.encryption.jwk));
  });
});

describe("what may be retried is never stored", () => {
  const retryable: [string, Claims][] = [
    ["clock", expired],
    ["too-far-ahead", { seq: limits.window + 1, ack: 0 }],
  ];
  test.each(retryable)("fails/%s, and the same message is executed later", async (status, more) => {
    const sent = register(1, more);
    expect(await device.exchange(sent)).toMatchObject({ status, body: { retry: true } });
    expect(await stored(service, device.deviceId)).toMatchObject({
      stored: { window: { revision: 0 } },
      window: { high: 0, ack: 0 },
    });
    const again = { ...sent, iat: present, exp: present + 10, ack: Number(sent["seq"]) - 1 };
    expect((await device.exchange(again)).status).toBe("ok");
  });

  test("fails/throttled, after every race was lost", async () => {
    const ports = { ...service.messages, store: { ...service.store, write: async () => false } };
    const sent = register(1);
    expect(await device.exchange(sent, { ports })).toMatchObject({ status: "throttled", body: { retry: true } });
    expect((await device.exchange(sent)).status).toBe("ok");
  });

  test("ok/the table of refusals says which", () => {
    expect(refusalCodes.filter((code) => !refusals[code].final)).toEqual(["too-far-ahead", "clock", "throttled"]);
  });
});

describe("a write whose answer was lost", () => {
  const losing = (lost: (puts: Parameters<MessagePorts["store"]["write"]>[0]) => Promise<boolean>): MessagePorts => ({
    ...service.messages,
    store: { ...service.store, write: lost },
  });

  test("ok/the client's own retry looks like a lost race, and finds its own outcome", async () => {
    let first = true;
    const ports = losing(async (puts) => {
      const written = await service.store.write(puts);
      const told = written && !first;
      first = false;
      return told;
    });
    const claims = register(1);
    expect((await device.exchange(claims, { ports })).status).toBe("ok");
    expect(await stored(service, device.deviceId)).toMatchObject({ stored: { window: { revision: 1 } } });
    expect((await actionsOf(service, device.deviceId)).filter((action) => action === "device.registered")).toHaveLength(
      1,
    );
    const gone = device.claims("deregister", {}, { seq: 2 });
    first = true;
    expect(await device.exchange(gone, { ports })).toMatchObject({
      status: "ok",
      body: { receipt: expect.any(String) as string },
    });
  });

  test("ok/an exception after the write, and the device's retry", async () => {
    const ports = losing(async (puts) => {
      await service.store.write(puts);
      throw new Error("socket hang up");
    });
    const sent = register(1);
    expect(await device.answer(sent, { ports })).toMatchObject({ kind: "problem", body: { code: "unavailable" } });
    expect((await device.exchange(sent)).status).toBe("ok");
    expect(await stored(service, device.deviceId)).toMatchObject({ stored: { window: { revision: 1 } } });
  });
});

describe("names that JavaScript knows", () => {
  test.each(["__proto__", "constructor", "toString"])("fails/operation %s", async (operation) => {
    const status = (await device.exchange(register(1, { operation }))).status;
    expect(["malformed", "unsupported-operation"]).toContain(status);
  });

  const { model, ...rest } = registration;
  const bodies: [string, object][] = [
    ["in place of one that is missing", rest],
    ["beside all of them", registration],
  ];
  test.each(bodies)("fails/a member __proto__ of a body, %s", async (_, body) => {
    const claims = JSON.stringify(register(1, { body: {} })).replace(
      '"body":{}',
      `"body":{"__proto__":{"model":${JSON.stringify(model)}},${JSON.stringify(body).slice(1)}`,
    );
    const { encodeBase64url } = await import("@sealpost/protocol/token/strict.ts");
    const header = { alg: "ES256", typ: "sealpost-request+jwt" };
    const input = `${encodeBase64url(JSON.stringify(header))}.${encodeBase64url(claims)}`;
    const jws = `${input}.${encodeBase64url(await device.keys.signing.sign(new TextEncoder().encode(input)))}`;
    const answered = await answerMessage(service.messages, await encrypt(service, jws), present);
    expect(answered).toMatchObject({ kind: "problem", body: { code: "not-accepted" }, log: { reason: "json" } });
    expect(await highest()).toBe(0);
    expect(({} as Record<string, unknown>)["model"]).toBeUndefined();
  });
});
