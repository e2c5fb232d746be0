import { createHash, randomUUID } from "node:crypto";

import { beforeEach, describe, expect, test, vi } from "vitest";

import { certificateAnswerSchema, tokenAnswerSchema } from "@sealpost/protocol/bootstrap.ts";
import { certificateKey } from "@sealpost/protocol/documents/x509.ts";
import { signJws, tokenTypes } from "@sealpost/protocol/token/jws.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import { followTrust } from "@sealpost/protocol/documents/trust.ts";

import { certificateRequest } from "../../device/identity/certificate-request.ts";
import { makeHandler } from "../../functions/bootstrap/handler.ts";
import { readDevice } from "../../functions/registry/device.ts";
import { agreementKey, signingKey } from "../support/keys.ts";
import { rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, serviceId, startService, storeCredential } from "../support/service.ts";

const secret = "a-secret+with/characters:that need encoding";
const secretHash = createHash("sha256").update(secret).digest("base64url");

let service: TestService;
let handler: ReturnType<typeof makeHandler>;
let credentialId: string;
let now: number;

beforeEach(async () => {
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  service = await startService();
  now = present;
  handler = makeHandler(service.bootstrap, () => now * 1000);
  credentialId = randomUUID();
  await storeCredential(service.store, { credentialId, secretHash });
});

const form = "application/x-www-form-urlencoded";
const basic = (id: string, word: string) =>
  `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(word)}`).toString("base64")}`;

type Sent = { authorization?: string; contentType?: string; body?: string };
const post = async (path: string, { authorization, contentType = "", body = "" }: Sent) => {
  const headers = { "content-type": contentType, ...(authorization === undefined ? {} : { authorization }) };
  const answer = await handler({ routeKey: `POST /bootstrap/${path}`, headers, body, isBase64Encoded: false });
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: JSON.parse(answer.body ?? "null") as Record<string, unknown>,
  };
};
const askToken = (sent: Sent = {}) =>
  post("token", {
    authorization: basic(credentialId, secret),
    contentType: form,
    body: "grant_type=client_credentials",
    ...sent,
  });
const firstToken = async () => tokenAnswerSchema.parse((await askToken()).body).access_token;

type Keys = { signing: CryptoKeyPair; encryption: CryptoKeyPair };
const newKeys = async (): Promise<Keys> => ({
  signing: (await signingKey()).pair,
  encryption: (await agreementKey()).pair,
});
const askCertificate = async (keys: Keys, token: string, id: string = credentialId, more: object = {}) =>
  post("certificate", {
    authorization: `Bearer ${token}`,
    contentType: "application/json",
    body: JSON.stringify({ ...(await certificateRequest(keys, id)), ...more }),
  });

describe("first token", () => {
  test("ok/RFC 6749 answer, not to be stored", async () => {
    const answer = await askToken();
    expect(answer).toMatchObject({ status: 200, body: { token_type: "Bearer", expires_in: 300 } });
    expect(answer.headers).toMatchObject({ "cache-control": "no-store", pragma: "no-cache" });
  });

  const refusals: [string, () => Sent, number, string][] = [
    ["wrong secret", () => ({ authorization: basic(credentialId, "wrong") }), 401, "invalid_client"],
    ["unknown credential", () => ({ authorization: basic(randomUUID(), secret) }), 401, "invalid_client"],
    ["no credential", () => ({ authorization: "" }), 401, "invalid_client"],
    ["another scheme", () => ({ authorization: "Bearer x" }), 401, "invalid_client"],
    ["another grant", () => ({ body: "grant_type=password" }), 400, "unsupported_grant_type"],
    ["no grant", () => ({ body: "" }), 400, "invalid_request"],
    ["grant twice", () => ({ body: "grant_type=client_credentials&grant_type=x" }), 400, "invalid_request"],
    ["JSON", () => ({ contentType: "application/json" }), 400, "invalid_request"],
  ];
  test.each(refusals)("fails/%s", async (_, sent, status, error) => {
    expect(await askToken(sent())).toMatchObject({ status, body: { error } });
  });

  test("fails/expired, without saying so", async () => {
    now = present + 3_600;
    const expired = await askToken();
    now = present;
    const wrong = await askToken({ authorization: basic(credentialId, "wrong") });
    expect(expired).toEqual(wrong);
  });
});

describe("certificate exchange", () => {
  test("ok/certificate over the device's key, and a trust document that follows from the root", async () => {
    const keys = await newKeys();
    const answer = await askCertificate(keys, await firstToken());
    expect(answer.status).toBe(200);
    const { chain, trust, deviceId } = certificateAnswerSchema.parse(answer.body);
    const { x } = await crypto.subtle.exportKey("jwk", keys.signing.publicKey);
    expect((await certificateKey(chain[0] ?? "")).x).toBe(x);
    expect(await followTrust(trust, [service.root.kid])).toMatchObject({ iss: serviceId });
    expect((await readDevice(service.store, deviceId, 1))?.status).toBe("provisioned");
  });

  test("ok/an answer that was lost is fetched again by the same keys, even after expiry", async () => {
    const keys = await newKeys();
    const first = await askCertificate(keys, await firstToken());
    now = present + 86_400;
    const again = await askCertificate(keys, await firstToken());
    expect(again).toMatchObject({
      status: 200,
      body: { deviceId: first.body["deviceId"], chain: first.body["chain"] },
    });
  });

  test("fails/a credential is used once the device has spoken", async () => {
    const { body } = await askCertificate(await newKeys(), await firstToken());
    const speaker = await rawDevice(service, String(body["deviceId"]));
    // The registry's record is replaced by that of a device whose keys the test holds.
    const stored = await readDevice(service.store, speaker.deviceId, 1);
    expect(stored).toBeDefined();
    const item = { ...stored?.identity, keys: speaker.keys };
    await service.store.write([{ table: "devices", item, when: { revision: stored?.identity.revision ?? -1 } }]);
    await speaker.exchange(await speaker.claimsOf("register", registration, { seq: 1 }));
    expect(await askToken()).toMatchObject({ status: 401, body: { error: "invalid_client" } });
  });

  test("fails/other keys on a spent credential", async () => {
    await askCertificate(await newKeys(), await firstToken());
    expect(await askCertificate(await newKeys(), await firstToken())).toMatchObject({
      status: 409,
      body: { code: "certificate-conflict" },
    });
  });

  test("ok/of 50 racing requests with different keys one wins", async () => {
    const token = await firstToken();
    const answers = await Promise.all(Array.from({ length: 50 }, async () => askCertificate(await newKeys(), token)));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 409)).toHaveLength(49);
  });

  test("fails/request names another credential", async () => {
    const answer = await askCertificate(await newKeys(), await firstToken(), randomUUID());
    expect(answer).toMatchObject({ status: 400, body: { code: "invalid-request", field: "csr" } });
  });

  test("fails/request is bound to another encryption key", async () => {
    const encryptionKey = (await agreementKey()).jwk;
    const answer = await askCertificate(await newKeys(), await firstToken(), credentialId, { encryptionKey });
    expect(answer).toMatchObject({ status: 400, body: { field: "csr" } });
  });

  test("fails/signature of the request", async () => {
    const keys = await newKeys();
    const { csr } = await certificateRequest(keys, credentialId);
    const bytes = Buffer.from(csr, "base64");
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    const answer = await askCertificate(keys, await firstToken(), credentialId, { csr: bytes.toString("base64") });
    expect(answer).toMatchObject({ status: 400, body: { field: "csr" } });
  });

  test("fails/bytes behind the request", async () => {
    const keys = await newKeys();
    const { csr } = await certificateRequest(keys, credentialId);
    const longer = Buffer.concat([Buffer.from(csr, "base64"), Buffer.from([0])]).toString("base64");
    const answer = await askCertificate(keys, await firstToken(), credentialId, { csr: longer });
    expect(answer).toMatchObject({ status: 400, body: { field: "csr" } });
  });

  const forged: [string, object, boolean][] = [
    ["expired", { exp: present }, true],
    ["of a future beyond what clocks may be off", { iat: present + limits.clockSkewSeconds + 1 }, true],
    ["of another audience", { aud: serviceId }, true],
    ["of another issuer", { iss: "another" }, true],
    ["of another key", {}, false],
  ];
  const tokenClaims = () => ({
    iss: serviceId,
    aud: `${serviceId}/certificate`,
    sub: credentialId,
    client_id: credentialId,
    iat: present - 10,
    exp: present + 100,
    jti: randomUUID(),
  });
  test.each(forged)("fails/first token %s", async (_, claims, ours) => {
    const signer = ours ? service.firstTokenKey : await signingKey();
    const token = await signJws(tokenTypes.firstToken, { ...tokenClaims(), ...claims }, signer);
    expect(await askCertificate(await newKeys(), token)).toMatchObject({ status: 401, body: { code: "unauthorized" } });
  });

  test("ok/first token of an instance whose clock is ahead", async () => {
    const claims = { ...tokenClaims(), iat: present + limits.clockSkewSeconds };
    const token = await signJws(tokenTypes.firstToken, claims, service.firstTokenKey);
    expect(await askCertificate(await newKeys(), token)).toMatchObject({ status: 200 });
  });
});
