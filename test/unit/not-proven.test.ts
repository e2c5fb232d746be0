import { beforeEach, describe, expect, test } from "vitest";

import { limits } from "@sealpost/protocol/limits.ts";
import { importPublicKey } from "@sealpost/protocol/token/keys.ts";
import { decodeBase64url, encodeBase64url } from "@sealpost/protocol/token/strict.ts";
import { CompactEncrypt } from "jose";

import { Fault } from "../../functions/fault/fault.ts";
import { type Answered, answerMessage } from "../../functions/receive/answer.ts";
import { rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, serviceId, startService } from "../support/service.ts";
import { type Claims, type Speaker, encrypt, newKeys, speaker } from "./speaker.ts";

let service: TestService;
let device: Speaker;
let uniform: string;

beforeEach(async () => {
  service = await startService();
  const raw = await rawDevice(service);
  device = await speaker(service, raw.deviceId, { signing: raw.signer, encryption: raw.encryption });
  uniform = JSON.stringify(problemOf(await answerMessage(service.messages, "", present)).body);
});

function problemOf(answered: Answered) {
  if (answered.kind !== "problem") throw new Error("sealed");
  return answered;
}

const post = async (token: string) => problemOf(await answerMessage(service.messages, token, present));
const register = (more: Claims = {}) => device.claims("register", registration, { seq: 1 }, more);

/** A JWS whose claims are this text. */
const sealText = async (text: string | Uint8Array) => {
  const header = { alg: "ES256", typ: "sealpost-request+jwt" };
  const input = `${encodeBase64url(JSON.stringify(header))}.${encodeBase64url(text)}`;
  const signature = await device.keys.signing.sign(new TextEncoder().encode(input));
  return encrypt(service, `${input}.${encodeBase64url(signature)}`);
};

describe("claims that nobody is known to have made", () => {
  const variations: [string, () => Claims, string][] = [
    ["no issuer", () => register({ iss: undefined }), "claims"],
    ["an issuer that is no device id", () => register({ iss: "somebody" }), "claims"],
    ["an issuer in capitals", () => register({ iss: device.deviceId.toUpperCase() }), "issuer"],
    ["an unknown issuer", () => register({ iss: crypto.randomUUID() }), "issuer"],
    [
      "an unknown issuer and an operation that is no text",
      () => register({ iss: crypto.randomUUID(), operation: 5 }),
      "issuer",
    ],
    [
      "an unknown issuer and no operation",
      () => register({ iss: crypto.randomUUID(), operation: undefined }),
      "issuer",
    ],
    ["no audience", () => register({ aud: undefined }), "claims"],
    ["several audiences", () => register({ aud: [serviceId] }), "claims"],
    ["another audience", () => register({ aud: "another-service" }), "audience"],
    ["no server key", () => register({ serverKey: undefined }), "claims"],
    ["another server key", () => register({ serverKey: service.serverKeys.rsa.kid }), "key-binding"],
  ];
  test.each(variations)("fails/%s", async (_, claims, reason) => {
    const { body, log } = await post((await device.seal(claims())).token);
    expect(JSON.stringify(body)).toBe(uniform);
    expect(log["reason"]).toBe(reason);
  });

  const texts: [string, () => string | Uint8Array][] = [
    ["a member twice", () => `${JSON.stringify(register()).slice(0, -1)},"seq":2}`],
    [
      "a member of the body twice",
      () => JSON.stringify(register({ body: { a: 1 } })).replace('{"a":1}', '{"a":1,"\\u0061":2}'),
    ],
    [
      "an unpaired surrogate",
      () => JSON.stringify(register({ body: {} })).replace('"body":{}', '"body":{"a":"\\ud800"}'),
    ],
    [
      "a number beyond a double",
      () => JSON.stringify(register({ body: {} })).replace('"body":{}', '"body":{"a":1e400}'),
    ],
    ["a BOM", () => `\ufeff${JSON.stringify(register())}`],
    [
      "bad UTF-8",
      () =>
        Buffer.concat([
          Buffer.from(JSON.stringify(register()).slice(0, -1)),
          Buffer.from([0x2c, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
        ]),
    ],
    [
      "nesting beyond the limit",
      () =>
        JSON.stringify(register({ body: {} })).replace('"body":{}', `"body":{"a":${"[".repeat(15)}${"]".repeat(15)}}`),
    ],
  ];
  test.each(texts)("fails/%s", async (_, text) => {
    const { body, log } = await post(await sealText(text()));
    expect(JSON.stringify(body)).toBe(uniform);
    expect(log["reason"]).toBe("json");
  });

  test("fails/a signature by another key of the same device id", async () => {
    const { token } = await device.seal(register(), (await newKeys()).signing);
    expect(await post(token)).toMatchObject({ log: { reason: "signature", detail: "request" } });
  });

  test("fails/the key id of the device over the signature of another", async () => {
    const stranger = (await newKeys()).signing;
    const { token } = await device.seal(register(), {
      ...device.keys.signing,
      sign: stranger.sign.bind(stranger),
    });
    expect(await post(token)).toMatchObject({ log: { reason: "signature" } });
  });

  test("fails/an inner header beyond the limit is not told from any other", async () => {
    const header = {
      alg: "ES256",
      typ: `sealpost-request+jwt${" ".repeat(limits.headerBytes)}`,
    };
    const inner = `${encodeBase64url(JSON.stringify(header))}.e30.${"A".repeat(86)}`;
    const { body, log } = await post(await encrypt(service, inner));
    expect(log["reason"]).toBe("too-large");
    expect(JSON.stringify(body)).toBe(uniform);
  });

  test("fails/a BOM before the inner token", async () => {
    const { jws } = await device.seal(register());
    const { body } = await post(await encrypt(service, `\ufeff${jws}`));
    expect(JSON.stringify(body)).toBe(uniform);
  });

  test("fails/bytes that are not text behind the inner token", async () => {
    const { jws } = await device.seal(register());
    expect(
      (await post(await encrypt(service, Buffer.concat([Buffer.from(jws), Buffer.from([0xff])])))).log["reason"],
    ).toBe("base64url");
  });
});

describe("a token that is not a request", () => {
  test("fails/the service's own reply, sealed back to it", async () => {
    const sent = register();
    const { token, jws } = await device.seal(sent);
    const answered = await answerMessage(service.messages, token, present);
    if (answered.kind === "problem") throw new Error("problem");
    expect((await device.open(answered.token, jws)).status).toBe("ok");
    expect((await post(answered.token)).log["reason"]).toBe("jwe-header");
    const claims = { iss: serviceId, aud: device.deviceId, request: "x", status: "ok", body: {} };
    const { signJws, tokenTypes } = await import("@sealpost/protocol/token/jws.ts");
    const reflected = await signJws(tokenTypes.reply, claims, service.replyKey);
    expect((await post(await encrypt(service, reflected))).log["reason"]).toBe("jws-header");
  });

  test("fails/content key of another length", async () => {
    const { kid, alg, jwk } = service.serverKeys.agreement;
    const token = await new CompactEncrypt(new TextEncoder().encode("x"))
      .setProtectedHeader({ alg, enc: "A128GCM", kid, cty: "JWT" })
      .encrypt(await importPublicKey(jwk, alg));
    expect((await post(token)).log["reason"]).toBe("jwe-header");
    const [header = "", ...rest] = token.split(".");
    const text = Buffer.from(decodeBase64url(header, "header")).toString().replace("A128GCM", "A256GCM");
    expect((await post([encodeBase64url(text), ...rest].join("."))).log["reason"]).toBe("decryption");
  });
});

describe("a service that is not well", () => {
  const failing = (read: () => Promise<never>) => ({ ...service.messages, store: { ...service.store, read } });
  test("fails/a store that is throttled says so under no seal", async () => {
    const ports = failing(async () => {
      throw new Fault("throttled", "test");
    });
    expect(await device.answer(register(), { ports })).toMatchObject({
      kind: "problem",
      body: { code: "throttled", status: 429 },
    });
  });

  test("fails/a catch-up that cannot be read is a problem, not an exception", async () => {
    const ports = {
      ...service.messages,
      serverKeys: { at: async () => ({ ...service.messageKeys, openers: [] }) },
      readCatchUp: async () => {
        throw new Fault("unavailable", "test");
      },
    };
    expect(await device.answer(register(), { ports })).toMatchObject({
      kind: "problem",
      body: { code: "unavailable" },
    });
  });

  test("fails/an item of a later key generation is neither read nor written", async () => {
    const ports = { ...service.messages, generation: 0 };
    expect(await device.answer(register(), { ports })).toMatchObject({
      kind: "problem",
      body: { code: "unavailable" },
    });
    expect((await device.exchange(register())).status).toBe("ok");
  });
});
