import { createHash, randomUUID } from "node:crypto";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { certificateRequest } from "../../device/identity/certificate-request.ts";
import { makeHandler as makeBootstrap } from "../../functions/bootstrap/handler.ts";
import { makeHandler as makeMessages } from "../../functions/carriers/http.ts";
import { makeHandler as makeKeySet } from "../../functions/key-set/read.ts";
import { agreementKey, signingKey } from "../support/keys.ts";
import { rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, startService, storeCredential } from "../support/service.ts";

let lines: string[];

beforeEach(() => {
  lines = [];
  vi.spyOn(process.stdout, "write").mockImplementation((line) => lines.push(String(line)) > 0);
});
afterEach(() => {
  vi.restoreAllMocks();
});

const clock = () => present * 1000;

/** One line for each invocation, of names, codes and ids; nothing that was handed in or out. */
function expectLines(count: number, secrets: readonly string[]): void {
  expect(lines).toHaveLength(count);
  for (const line of lines) expect(JSON.parse(line)).toHaveProperty("outcome");
  const text = lines.join("");
  expect(secrets.filter((secret) => text.includes(secret) || text.includes(secret.slice(0, 40)))).toEqual([]);
}

test("ok/bootstrap logs a line for each request, and no credential, token or key", async () => {
  const service = await startService();
  const [credentialId, secret] = [randomUUID(), "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"];
  const secretHash = createHash("sha256").update(secret).digest("base64url");
  await storeCredential(service.store, { credentialId, secretHash });
  const handler = makeBootstrap(service.bootstrap, clock);
  const post = (path: string, authorization: string, contentType: string, body: string) =>
    handler({
      routeKey: `POST /bootstrap/${path}`,
      headers: { authorization, "content-type": contentType },
      body,
      isBase64Encoded: false,
    });
  const form = "application/x-www-form-urlencoded";
  const basic = (word: string) => `Basic ${Buffer.from(`${credentialId}:${word}`).toString("base64")}`;
  await post("token", basic(`wrong-${secret}`), form, "grant_type=client_credentials");
  const granted = await post("token", basic(secret), form, "grant_type=client_credentials");
  const { access_token: token } = JSON.parse(granted.body ?? "{}") as { access_token: string };
  const keys = { signing: (await signingKey()).pair, encryption: (await agreementKey()).pair };
  const request = JSON.stringify(await certificateRequest(keys, credentialId));
  const answer = await post("certificate", `Bearer ${token}`, "application/json", request);
  expect(answer.statusCode).toBe(200);
  expectLines(3, [secret, basic(secret), secretHash, token, request, answer.body ?? "none"]);
});

test("ok/messages log a line for each message, and no token, claim or key", async () => {
  const service = await startService();
  const device = await rawDevice(service);
  const handler = makeMessages(service.messages, clock);
  const claims = await device.claimsOf("register", { ...registration, model: "a-model-to-look-for" }, { seq: 1 });
  const { token, jws } = await device.seal(claims);
  const post = (body: string) =>
    handler({
      routeKey: "POST /messages",
      headers: { "content-type": "application/jose" },
      body: Buffer.from(body).toString("base64"),
      isBase64Encoded: true,
    });
  const sealed = await post(token);
  expect(sealed.statusCode).toBe(200);
  await post(token.slice(0, -1));
  expectLines(2, [token, jws, sealed.body ?? "none", "a-model-to-look-for", device.signer.kid, claims.jti]);
});

describe("an exception that nobody expected", () => {
  const read = () => Promise.reject(new TypeError("holds a value"));
  const nothing = { headers: {}, isBase64Encoded: false };
  const handlers: Record<string, (service: TestService) => Promise<unknown>> = {
    messages: async (service) => {
      const device = await rawDevice(service);
      const claims = await device.claimsOf("register", registration, { seq: 1 });
      const { token } = await device.seal(claims);
      const broken = { ...service.messages, store: { ...service.store, read } };
      const headers = { "content-type": "application/jose" };
      return makeMessages(broken, clock)({ ...nothing, routeKey: "POST /messages", headers, body: token });
    },
    bootstrap: async (service) => {
      const broken = { ...service.bootstrap, store: { ...service.store, read } };
      const basic = Buffer.from(`${randomUUID()}:secret`).toString("base64");
      const headers = { authorization: `Basic ${basic}`, "content-type": "application/x-www-form-urlencoded" };
      const body = "grant_type=client_credentials";
      return makeBootstrap(broken, clock)({ ...nothing, routeKey: "POST /bootstrap/token", headers, body });
    },
    "key set": async () => makeKeySet(read)(),
  };

  test.each(Object.entries(handlers))(
    "fails/in %s: neither the answer nor the log shows its message",
    async (_, ask) => {
      const answer = await ask(await startService());
      expect(answer).toMatchObject({ statusCode: 503 });
      expect(lines).toHaveLength(1);
      expect(JSON.parse(lines[0] ?? "")).toMatchObject({ outcome: "fault", reason: "TypeError" });
      expect(JSON.stringify(answer) + lines.join("")).not.toContain("holds a value");
    },
  );
});
