import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { KMSClient } from "@aws-sdk/client-kms";
import { beforeEach, describe, expect, test } from "vitest";

import { kmsContentKeyOpener, kmsServerKeys } from "../../functions/custody/kms.ts";
import { answerMessage } from "../../functions/receive/answer.ts";
import { dynamodbStore } from "../../functions/store/dynamodb-store.ts";
import type { Put } from "../../functions/store/port.ts";
import { type RawDevice, rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, startService } from "../support/service.ts";

/** What the adapters make of answers that no emulator can be brought to give: the SDK's own clients over a wire that says what it is told. */
type Said = { readonly status: number; readonly body: object };
type Asked = { readonly operation: string; readonly body: Record<string, unknown> };

function wire(answer: (asked: Asked) => Said) {
  const asked: Asked[] = [];
  return {
    asked,
    settings: {
      region: "eu-central-1",
      endpoint: "http://aws.test",
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
      maxAttempts: 1,
      requestHandler: {
        handle: async ({ headers, body }: { headers: Record<string, string>; body: Uint8Array }) => {
          const operation = (headers["x-amz-target"] ?? "").split(".").at(-1) ?? "";
          const request = { operation, body: JSON.parse(Buffer.from(body).toString()) as Record<string, unknown> };
          asked.push(request);
          const said = answer(request);
          const bytes = new TextEncoder().encode(JSON.stringify(said.body));
          return {
            response: {
              statusCode: said.status,
              headers: { "content-type": "application/x-amz-json-1.0" },
              body: bytes,
            },
          };
        },
      },
    },
  };
}

const refusal = (type: string, more: object = {}): Said => ({ status: 400, body: { __type: type, ...more } });

describe("a cancelled transaction", () => {
  const puts: Put[] = ["a", "b"].map((item) => ({ table: "trust", item: { item }, when: "absent" }));
  const cancelled = (...codes: string[]) => {
    const { settings } = wire(() =>
      refusal("TransactionCanceledException", { CancellationReasons: codes.map((Code) => ({ Code })) }),
    );
    return dynamodbStore(new DynamoDBClient(settings), { trust: "trust" }).write(puts);
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
    const { settings, asked } = wire(() => ({ status: 200, body: { Items: [] } }));
    const store = dynamodbStore(new DynamoDBClient(settings), { journal: "journal" });
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
    const { settings } = wire(({ operation }) =>
      operation === "GetPublicKey" ? { status: 200, body: { PublicKey: spki } } : said,
    );
    const opener = await kmsContentKeyOpener(new KMSClient(settings), "key");
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
    const { settings, asked } = wire(({ operation, body }) => {
      if (isDown) return refusal("ThrottlingException");
      if (operation !== "GetPublicKey") return refusal("InvalidCiphertextException");
      return { status: 200, body: { PublicKey: body["KeyId"] === "signing" ? ec : rsa } };
    });
    const serverKeys = kmsServerKeys(new KMSClient(settings), { signing: "signing", decryption: "decryption" });
    expect(asked).toEqual([]);
    const { token } = await device.seal(await device.claimsOf("register", registration, { seq: 1 }));
    const answer = async () => answerMessage({ ...service.messages, serverKeys }, token, present);
    expect(await answer()).toMatchObject({ body: { code: "throttled" } });
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
