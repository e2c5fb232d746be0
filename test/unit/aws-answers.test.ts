import { json } from "node:stream/consumers";

import { beforeEach, describe, expect, test, vi } from "vitest";

import { type AwsService, awsClient, dynamodb, kms } from "../../functions/aws/client.ts";
import { kmsContentKeyOpener, kmsServerKeys } from "../../functions/custody/kms.ts";
import { answerMessage } from "../../functions/receive/answer.ts";
import { dynamodbStore } from "../../functions/store/dynamodb-store.ts";
import type { Put } from "../../functions/store/port.ts";
import { type RawDevice, rawDevice, registration } from "../support/raw-device.ts";
import { serve, testAccess } from "../support/aws-server.ts";
import { type TestService, present, startService } from "../support/service.ts";

/** What the adapters make of answers that no emulator can be brought to give: the functions' own client over a wire that says what it is told. */
type Said = { readonly status: number; readonly body: object };
type Asked = { readonly operation: string; readonly body: Record<string, unknown> };

async function wire(service: AwsService, answer: (asked: Asked) => Said) {
  const asked: Asked[] = [];
  const { endpoint } = await serve(async (request, response) => {
    const operation = String(request.headers["x-amz-target"]).split(".").at(-1) ?? "";
    const got = { operation, body: (await json(request)) as Record<string, unknown> };
    asked.push(got);
    const said = answer(got);
    response.writeHead(said.status, { "content-type": "application/x-amz-json-1.0" }).end(JSON.stringify(said.body));
  });
  return { asked, client: awsClient(service, { ...testAccess, endpoint, attempts: 1, timeout: 10_000 }) };
}

const refusal = (type: string, more: object = {}): Said => ({ status: 400, body: { __type: type, ...more } });

describe("a cancelled transaction", () => {
  const puts: Put[] = ["a", "b"].map((item) => ({ table: "trust", item: { item }, when: "absent" }));
  const cancelled = async (...codes: string[]) => {
    const { client } = await wire(dynamodb, () =>
      refusal("TransactionCanceledException", { CancellationReasons: codes.map((Code) => ({ Code })) }),
    );
    return dynamodbStore(client, { trust: "trust" }).write(puts);
  };

  test.each([
    [["ConditionalCheckFailed", "None"]],
    [["None", "TransactionConflict"]],
    [["ConditionalCheckFailed", "TransactionConflict"]],
  ])("ok/%j is a lost race", async (codes) => {
    expect(await cancelled(...codes)).toBe(false);
  });

  test.each([
    [["ThrottlingError", "None"]],
    [["None", "ProvisionedThroughputExceeded"]],
    [["ConditionalCheckFailed", "ThrottlingError"]],
  ])("fails/%j is throttled", async (codes) => {
    await expect(cancelled(...codes)).rejects.toMatchObject({ name: "Fault", code: "throttled" });
  });

  test.each([[["ValidationError", "None"]], [["ConditionalCheckFailed", "ItemCollectionSizeLimitExceeded"]], [[]]])(
    "fails/%j is a fault",
    async (codes) => {
      await expect(cancelled(...codes)).rejects.toMatchObject({ name: "Fault", code: "unavailable" });
    },
  );
});

describe("a list", () => {
  const list = async (index?: "byDay") => {
    const { client, asked } = await wire(dynamodb, () => ({ status: 200, body: { Items: [] } }));
    const store = dynamodbStore(client, { journal: "journal" });
    await store.list({ table: "journal", partition: ["target", "x"], limit: 5, ...(index ? { index } : {}) });
    return asked[0]?.body;
  };

  test("ok/of a table is strongly consistent", async () => {
    expect(await list()).toMatchObject({ ConsistentRead: true });
  });

  test("ok/of an index does not ask for what an index cannot give", async () => {
    expect(await list("byDay")).not.toHaveProperty("ConsistentRead");
  });
});

describe("a decryption key that the service no longer has", () => {
  let service: TestService;
  let device: RawDevice;

  beforeEach(async () => {
    service = await startService();
    device = await rawDevice(service);
  });

  const answerOf = async (said: Said) => {
    const { n, e } = service.serverKeys.rsa.jwk as { n: string; e: string };
    const algorithm = { name: "RSA-OAEP", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("jwk", { kty: "RSA", n, e }, algorithm, true, ["encrypt"]);
    const spki = Buffer.from(await crypto.subtle.exportKey("spki", key)).toString("base64");
    const { client } = await wire(kms, ({ operation }) =>
      operation === "GetPublicKey" ? { status: 200, body: { PublicKey: spki } } : said,
    );
    const opener = await kmsContentKeyOpener(client, "key");
    const { token } = await device.seal(await device.claimsOf("register", registration, { seq: 1 }));
    const serverKeys = { at: async () => ({ ...service.messageKeys, openers: [opener] }) };
    return answerMessage({ ...service.messages, serverKeys }, token, present);
  };

  test.each(["DisabledException", "KMSInvalidStateException"])("fails/%s is key-retired", async (name) => {
    expect(await answerOf(refusal(name))).toMatchObject({
      kind: "problem",
      body: { code: "key-retired", keySet: expect.any(String) as string, trust: expect.any(Array) as string[] },
    });
  });

  test("fails/what is no ciphertext of it is not accepted", async () => {
    expect(await answerOf(refusal("InvalidCiphertextException"))).toMatchObject({ body: { code: "not-accepted" } });
  });

  test("fails/a custody that is throttled or not there passes", async () => {
    expect(await answerOf(refusal("ThrottlingException"))).toMatchObject({ body: { code: "throttled" } });
    expect(await answerOf(refusal("KeyUnavailableException"))).toMatchObject({ body: { code: "unavailable" } });
  });
});

describe("the keys of a custody", () => {
  test("ok/are fetched at first use, once for all who wait, and a failure is that of those alone", async () => {
    const service = await startService();
    const device = await rawDevice(service);
    const { n, e } = service.serverKeys.rsa.jwk as { n: string; e: string };
    const oaep = { name: "RSA-OAEP", hash: "SHA-256" };
    const spkiOf = async (
      jwk: JsonWebKey,
      algorithm: RsaHashedImportParams | EcKeyImportParams,
      usage: "encrypt" | "verify",
    ) =>
      Buffer.from(
        await crypto.subtle.exportKey(
          "spki",
          await crypto.subtle.importKey("jwk", { ...jwk }, algorithm, true, [usage]),
        ),
      ).toString("base64");
    const ec = await spkiOf(service.replyKey.jwk, { name: "ECDSA", namedCurve: "P-256" }, "verify");
    const rsa = await spkiOf({ kty: "RSA", n, e }, oaep, "encrypt");
    let isDown = true;
    const { client, asked } = await wire(kms, ({ operation, body }) => {
      if (isDown) return refusal("ThrottlingException");
      if (operation !== "GetPublicKey") return refusal("InvalidCiphertextException");
      return { status: 200, body: { PublicKey: body["KeyId"] === "signing" ? ec : rsa } };
    });
    const serverKeys = kmsServerKeys(client, { signing: "signing", decryption: "decryption" });
    expect(asked).toEqual([]);
    const { token } = await device.seal(await device.claimsOf("register", registration, { seq: 1 }));
    const answer = async () => answerMessage({ ...service.messages, serverKeys }, token, present);
    expect(await answer()).toMatchObject({ body: { code: "throttled" } });
    // Both were asked for, and one failure was enough.
    await vi.waitUntil(() => asked.length === 2);
    isDown = false;
    asked.length = 0;
    // It opens nothing here: what matters is that it got as far as asking.
    for (const answered of await Promise.all([answer(), answer(), answer()])) {
      expect(answered).toMatchObject({ body: { code: "not-accepted" } });
    }
    const fetched = asked.filter(({ operation }) => operation === "GetPublicKey").map(({ body }) => body["KeyId"]);
    expect(fetched.toSorted()).toEqual(["decryption", "signing"]);
  });
});
