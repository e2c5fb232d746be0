import { beforeAll, describe, expect, test } from "vitest";

import { commandSchema } from "@sealpost/protocol/exchanges/commands.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import { type RefusalCode, refusalBody, refusalCodes } from "@sealpost/protocol/messages/refusals.ts";
import { sealReply } from "@sealpost/protocol/messages/reply.ts";
import { sealRequest } from "@sealpost/protocol/messages/request.ts";
import { paddedLength } from "@sealpost/protocol/token/padding.ts";

import { certificateRequest } from "../../device/identity/certificate-request.ts";
import { agreementKey, signingKey } from "../support/keys.ts";
import { type TestService, present, startService } from "../support/service.ts";

/** What a message weighs on the wire, by part: the protocol states these figures. */

const deviceId = "0b6f9c1e-5d0c-4f7a-9a55-3c1f4f5b7a10";
const firmware = { version: "1.4.0", counter: 14 };
const profile = { model: "meter-1", hardware: "r2", firmware, capabilities: ["firmware"] };

let service: TestService;
let signing: Awaited<ReturnType<typeof signingKey>>;
let encryption: Awaited<ReturnType<typeof agreementKey>>;
beforeAll(async () => {
  [service, signing, encryption] = [await startService(), await signingKey(), await agreementKey()];
});

const request = async (operation: string, body: Record<string, unknown>, seq = 1_234_567, more: object = {}) => {
  const claims = {
    iss: deviceId,
    aud: "meters.example.net",
    iat: present,
    exp: present + limits.lifetimeSeconds,
    jti: "q0nq3mGZ8T1Jm1bQ",
    seq,
    ack: seq - 1,
    serverKey: service.serverKeys.rsa.kid,
    replyKey: { ...encryption.jwk, alg: "ECDH-ES" as const },
    operation,
    body,
    ...more,
  };
  const { token, jws } = await sealRequest(claims, signing, service.serverKeys.rsa);
  return { token, jws, claims: JSON.stringify(claims).length };
};

const reply = async (status: string, body: object, more: object = {}) => {
  const claims = {
    iat: present,
    request: "A".repeat(43),
    status,
    body: { ...body },
    trustVersion: 12,
    keySetVersion: present,
    ...more,
  };
  const token = await sealReply(claims, service.replyKey, encryption.jwk);
  return { token, claims: JSON.stringify(claims).length };
};

const parts = (token: string) => token.split(".").map((part) => part.length);

describe("a request to an RSA key of 2048 bits", () => {
  const routine: [string, Record<string, unknown>][] = [
    ["firmware.check", { firmware }],
    ["firmware.check", { firmware, held: 15 }],
    ["firmware.report", { counter: 15, state: "rolled-back", reason: "image-mismatch" }],
    ["deregister", { reason: "scrapped" }],
    ["readings", { stream: "energy", records: [{ time: present, name: "active", unit: "Wh", sum: 12_345.678 }] }],
    ["commands.next", { handled: 12 }],
    ["commands.result", { n: 12, commandId: deviceId, status: "done", output: "" }],
  ];

  test("ok/by part", async () => {
    const { token, jws, claims } = await request("firmware.check", { firmware });
    const [header, payload, signature] = parts(jws);
    expect({ total: token.length, outer: parts(token), inner: [header, payload, signature], claims }).toEqual({
      total: 1_602,
      outer: [136, 342, 16, 1_082, 22],
      inner: [59, 664, 86],
      claims: 454,
    });
  });

  test("ok/every routine message has one size, whatever its number", async () => {
    const sealed = await Promise.all([
      ...routine.map(async ([operation, body]) => request(operation, body)),
      request("firmware.check", { firmware }, 1),
      request("firmware.check", { firmware }, 1, { replyBytes: 4_096 }),
    ]);
    expect(new Set(sealed.map(({ token }) => token.length))).toEqual(new Set([1_602]));
    expect(Math.max(...sealed.map(({ claims }) => claims))).toBe(limits.padding.request.sizes[0]);
  });

  test("ok/a registration has the size of messages a little larger than routine ones", async () => {
    const names = { model: "smart-meter-3ph", hardware: "rev-12" };
    const two = [1, 2].map((n) => ({ time: present + n, name: "active", unit: "Wh", sum: n }));
    const sealed = await Promise.all([
      request("register", profile),
      request("register", { ...profile, ...names }),
      request("readings", { stream: "energy", records: two }),
    ]);
    expect(new Set(sealed.map(({ token }) => token.length))).toEqual(new Set([1_740]));
  });

  test("ok/a renewal is larger", async () => {
    const body = await certificateRequest({ signing: signing.pair, encryption: encryption.pair }, deviceId);
    const { token } = await request("renew", { ...body });
    expect(token.length).toBeGreaterThan(2_500);
    expect(token.length).toBeLessThan(3_100);
  });
});

describe("a reply", () => {
  test("ok/by part", async () => {
    const { token, claims } = await reply("ok", { offer: null });
    expect({ total: token.length, outer: parts(token), claims }).toEqual({
      total: 979,
      outer: [238, 0, 16, 699, 22],
      claims: 155,
    });
  });

  test("ok/every routine reply and every refusal has one size", async () => {
    const named = (code: RefusalCode) => refusalBody({ code, field: "body.firmware.version" });
    const sealed = await Promise.all([
      reply("ok", { configuration: { pollSeconds: 604_800 } }),
      reply("ok", { offer: null }),
      reply("ok", { offer: { held: true } }, { waiting: true }),
      reply("ok", {}),
      reply("malformed", named("malformed")),
      ...refusalCodes
        .filter((code) => code !== "malformed")
        .map(async (code) => reply(code, refusalBody({ code, highest: 1_234_567 }))),
      reply("clock", refusalBody({ code: "clock", time: present })),
      reply(
        "ok",
        {
          command: {
            n: 12,
            commandId: "9xF2mQ0rTz-4kLwYb1uVsA",
            name: "set-interval",
            arguments: { seconds: 900 },
            expires: present,
          },
        },
        { waiting: true },
      ),
    ]);
    expect(new Set(sealed.map(({ token }) => token.length))).toEqual(new Set([979]));
  });

  test("ok/a certificate, a receipt and an offer have one size, a larger one", async () => {
    const sealed = await Promise.all([
      reply("ok", { receipt: "r".repeat(527) }),
      reply("ok", { certificate: "c".repeat(876) }),
      reply("ok", { offer: { manifest: ["m".repeat(645)], contentKey: "k".repeat(43) } }),
    ]);
    expect(new Set(sealed.map(({ token }) => token.length))).toEqual(new Set([2_606]));
  });
});

test("ok/the largest command fits into what section 18.7 says of it", async () => {
  const command = {
    n: Number.MAX_SAFE_INTEGER,
    commandId: "c".repeat(64),
    name: "n".repeat(64),
    arguments: { of: "x".repeat(limits.commands.bytes - '{"of":""}'.length) },
    expires: present,
    repeatable: true,
  };
  expect(commandSchema.safeParse(command).success).toBe(true);
  expect((await reply("ok", { command }, { waiting: true })).token.length).toBeLessThanOrEqual(9_216);
});

describe("padded length", () => {
  test("ok/the first size that holds it, then steps", () => {
    const padding = { sizes: [345, 528], step: 96 };
    const lengths = [0, 345, 346, 528, 529, 576, 577].map((bytes) => paddedLength(bytes, padding));
    expect(lengths).toEqual([345, 345, 528, 528, 576, 576, 672]);
  });

  test("ok/every size is a multiple of three and grows", () => {
    for (const { sizes, step } of Object.values(limits.padding)) {
      expect([...sizes, step].map((size) => size % 3)).toEqual([...sizes, step].map(() => 0));
      expect([...sizes].sort((a, b) => a - b)).toEqual(sizes);
      expect(paddedLength((sizes.at(-1) ?? 0) + 1, { sizes, step })).toBeGreaterThan(sizes.at(-1) ?? 0);
    }
  });
});
