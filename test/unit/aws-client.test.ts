import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { inspect } from "node:util";

import { SignatureV4 } from "@smithy/signature-v4";
import { Sha256 } from "@aws-crypto/sha256-js";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";

import { fromAttributes, toAttributes } from "../../functions/aws/attributes.ts";
import { awsClient, dynamodb, endpointOf, kms } from "../../functions/aws/client.ts";
import { AwsError } from "../../functions/aws/error.ts";
import { dynamodbStore } from "../../functions/store/dynamodb-store.ts";
import { serve, testAccess } from "../support/aws-server.ts";

/** The functions' own client of AWS JSON, over a server on loopback that does what no emulator can be brought to do. */

type Act = (response: ServerResponse, request: IncomingMessage) => unknown;

/** One act for each attempt; the last one goes on. */
async function served(...acts: Act[]) {
  const asked: { readonly headers: IncomingMessage["headers"]; readonly body: string }[] = [];
  const { endpoint } = await serve(async (request, response) => {
    const act = acts[Math.min(asked.length, acts.length - 1)];
    asked.push({ headers: request.headers, body: await text(request) });
    act?.(response, request);
  });
  const options = { ...testAccess, endpoint, attempts: 3, timeout: 5_000 };
  return { asked, endpoint, options, call: awsClient(dynamodb, options) };
}

const answers =
  (status: number, body: string, headers: Record<string, string> = {}): Act =>
  (response) =>
    response.writeHead(status, headers).end(body);
const fine = answers(200, '{"Item":{}}');
const resets: Act = (_, request) => request.socket.resetAndDestroy();
const breaksOff: Act = (response, request) => {
  response.writeHead(200, { "content-length": "100" }).write('{"Item"');
  setImmediate(() => request.socket.destroy());
};

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("a call", () => {
  test("ok/names its operation and is signed as AWS asks, with the session's token", async () => {
    const { call, asked, options, endpoint } = await served(fine);
    expect(await call("GetItem", { TableName: "t" })).toEqual({ Item: {} });
    const [{ headers, body } = { headers: {}, body: "" }] = asked;
    expect(body).toBe('{"TableName":"t"}');
    expect(headers).toMatchObject({
      "content-type": "application/x-amz-json-1.0",
      "x-amz-target": "DynamoDB_20120810.GetItem",
      "x-amz-security-token": "a-token",
      "x-amz-content-sha256": createHash("sha256").update(body).digest("hex"),
    });
    const date = String(headers["x-amz-date"]);
    const signer = new SignatureV4({ ...options, service: "dynamodb", sha256: Sha256 });
    const signingDate = new Date(date.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z"));
    const { host, protocol, hostname } = new URL(endpoint);
    const signed = await signer.sign(
      {
        method: "POST",
        protocol,
        hostname,
        path: "/",
        query: {},
        headers: {
          host,
          "content-type": String(headers["content-type"]),
          "x-amz-target": String(headers["x-amz-target"]),
        },
        body,
      },
      { signingDate },
    );
    expect(headers.authorization).toBe(signed.headers["authorization"]);
  });

  test.each([
    [
      "is throttled",
      answers(400, '{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}'),
    ],
    ["meets a server that fails", answers(500, "{}")],
    ["meets a server that is away", answers(503, "<html></html>")],
    ["loses its connection", resets],
    ["gets half an answer", breaksOff],
    ["gets an answer that is no JSON", answers(200, "<html>")],
  ])("ok/that %s is made again, and the same", async (_, act) => {
    const { call, asked } = await served(act, act, fine);
    expect(await call("GetItem", { TableName: "t" })).toEqual({ Item: {} });
    expect(asked.map(({ body }) => body)).toEqual(Array(3).fill('{"TableName":"t"}'));
  });

  test.each([
    ["ThrottlingException", answers(400, '{"__type":"ThrottlingException"}')],
    ["Status502", answers(502, "")],
    ["ECONNRESET", resets],
    ["UnreadableAnswer", answers(200, "{")],
  ])("fails/with %s after its attempts", async (name, act) => {
    const { call, asked } = await served(act);
    await expect(call("GetItem", {})).rejects.toMatchObject({ name, isTransient: true });
    expect(asked).toHaveLength(3);
  });

  test("fails/for a reason of its own at once, whichever way the service says so", async () => {
    for (const act of [
      answers(400, '{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"}'),
      answers(400, '{"__type":"ResourceNotFoundException"}'),
      answers(400, '{"__type":"ResourceNotFoundException","CancellationReasons":null}'),
      answers(400, '{"__type":"ResourceNotFoundException","CancellationReasons":[null]}'),
      answers(400, "", { "x-amzn-errortype": "ResourceNotFoundException:http://internal.amazon.com/" }),
    ]) {
      const { call, asked } = await served(act);
      await expect(call("GetItem", {})).rejects.toMatchObject({
        name: "ResourceNotFoundException",
        isTransient: false,
      });
      expect(asked).toHaveLength(1);
    }
  });

  test("fails/where nothing answers in time, be it a byte at a time", async () => {
    const drips: Act = (response) => {
      const drip = setInterval(() => response.write(" "), 20);
      response.on("close", () => clearInterval(drip));
    };
    for (const act of [() => {}, drips]) {
      const { options } = await served(act);
      const call = awsClient(dynamodb, { ...options, attempts: 2, timeout: 150 });
      await expect(call("GetItem", {})).rejects.toMatchObject({ name: "ETIMEDOUT", isTransient: true });
    }
  });

  test("fails/without a word of what was asked, answered, or who asked", async () => {
    const { call } = await served(answers(400, '{"__type":"ValidationException","message":"the-answer"}'));
    const error = await call("PutItem", { Item: "the-item" }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(AwsError);
    expect(inspect(error, { depth: 9 })).not.toMatch(/the-answer|the-item|a-secret|a-token/);
  });

  test("ok/calls share connections", async () => {
    const connections = new Set<unknown>();
    const { call, asked } = await served((response, request) => {
      connections.add(request.socket);
      fine(response, request);
    });
    for (let n = 0; n < 5; n += 1) await call("GetItem", {});
    expect([asked.length, connections.size]).toEqual([5, 1]);
  });
});

describe("what the environment says", () => {
  test.each([
    ["eu-central-1", "https://kms.eu-central-1.amazonaws.com"],
    ["us-gov-west-1", "https://kms.us-gov-west-1.amazonaws.com"],
    ["cn-north-1", "https://kms.cn-north-1.amazonaws.com.cn"],
    ["eusc-de-east-1", "https://kms.eusc-de-east-1.amazonaws.eu"],
    ["us-iso-east-1", "https://kms.us-iso-east-1.c2s.ic.gov"],
    ["us-isob-east-1", "https://kms.us-isob-east-1.sc2s.sgov.gov"],
  ])("ok/%s is reached at %s", (region, endpoint) => {
    for (const name of ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS", "AWS_USE_FIPS_ENDPOINT"]) vi.stubEnv(name, "");
    expect(endpointOf("kms", region)).toBe(endpoint);
    vi.stubEnv("AWS_USE_FIPS_ENDPOINT", "true");
    expect(endpointOf("kms", region)).toBe(endpoint.replace("kms.", "kms-fips."));
    vi.stubEnv("AWS_ENDPOINT_URL", "https://kms.example");
    expect(endpointOf("kms", region)).toBe("https://kms.example");
  });

  test("fails/without a Region, at the start and by its name", () => {
    vi.stubEnv("AWS_REGION", "");
    expect(() => awsClient(kms, { attempts: 1, timeout: 5_000 })).toThrow("AWS_REGION");
  });

  test("ok/is where a client calls, and as whom", async () => {
    const { asked, endpoint } = await served(fine);
    vi.stubEnv("AWS_REGION", "eu-central-1");
    vi.stubEnv("AWS_ACCESS_KEY_ID", "another-id");
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "another-secret");
    vi.stubEnv("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    vi.stubEnv("AWS_ENDPOINT_URL_KMS", endpoint);
    await awsClient(kms, { attempts: 1, timeout: 5_000 })("Sign", {});
    expect(asked[0]?.headers).toMatchObject({ "x-amz-target": "TrentService.Sign" });
    expect(asked[0]?.headers.authorization).toMatch(/another-id\/\d{8}\/eu-central-1\/kms\/aws4_request/);
  });
});

describe("a write", () => {
  const put = { table: "trust", item: { item: "a" }, when: "absent" } as const;
  const lost = answers(400, '{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}');

  test.each([
    ["was reset", resets],
    ["came too late", () => {}],
    ["was cut off", breaksOff],
  ])("ok/that took effect, and whose answer %s, is a lost race: who reads again finds it", async (_, act) => {
    const { asked, options } = await served(act, lost);
    const store = dynamodbStore(awsClient(dynamodb, { ...options, timeout: 300 }), { trust: "trust" });
    expect(await store.write([put])).toBe(false);
    expect(asked.map(({ body }) => body)).toEqual(Array(2).fill(asked[0]?.body));
  });

  test("fails/as a fault where no answer ever comes: nobody takes it for done or for lost", async () => {
    const { asked, call } = await served(resets);
    const written = dynamodbStore(call, { trust: "trust" }).write([put]);
    await expect(written).rejects.toMatchObject({ name: "Fault", code: "unavailable" });
    expect(asked).toHaveLength(3);
  });
});

describe("a transaction", () => {
  test("ok/that the client repeats has one token, so that DynamoDB knows it again, and the next one another", async () => {
    const { call, asked } = await served(resets, fine);
    const store = dynamodbStore(call, { trust: "trust" });
    const put = (item: string) => ({ table: "trust", item: { item }, when: "absent" }) as const;
    for (let n = 0; n < 2; n += 1) expect(await store.write([put("a"), put("b")])).toBe(true);
    const tokens = asked.map(({ body }) => (JSON.parse(body) as { ClientRequestToken?: string }).ClientRequestToken);
    expect(tokens[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect([tokens[1] === tokens[0], tokens[2] === tokens[0]]).toEqual([true, false]);
  });
});

describe("attributes", () => {
  test("ok/come back as they were", () => {
    const bytes = fc.uint8Array({ maxLength: 20 });
    const number = fc.oneof(
      fc.maxSafeInteger(),
      fc
        .double({ noNaN: true, min: -1e15, max: 1e15 })
        .filter((n) => n === 0 || Math.abs(n) >= 1e-130)
        .map((n) => n + 0),
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        fc.string(),
        number,
        fc.boolean(),
        fc.constant(null),
        bytes,
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(fc.oneof(fc.string(), fc.constant("__proto__")), tie("value"), { maxKeys: 3 }),
      ),
    }));
    fc.assert(
      fc.property(value, (value) => {
        const wire = JSON.stringify(toAttributes({ value, absent: undefined }));
        expect(JSON.stringify(fromAttributes(JSON.parse(wire)))).toBe(JSON.stringify({ value }));
      }),
    );
  });

  test.each([NaN, Infinity, 1e-200, 2 ** 53, 1n, () => 1, Symbol("s")])("fails/an item holds no %s", (value) => {
    expect(() => toAttributes({ value })).toThrow(TypeError);
  });

  test.each([{ SS: ["a"] }, { N: "9007199254740993" }, { N: "x" }, {}])("fails/what is read is no %j", (attribute) => {
    expect(() => fromAttributes({ attribute })).toThrow(TypeError);
  });
});
