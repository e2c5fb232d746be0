import { createServer } from "node:http";
import { DynamoDBClient, PutItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { KMSClient, SignCommand } from "@aws-sdk/client-kms";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { closeServer } from "../../local/network/close-server.ts";
import { listen } from "../../local/network/listen.ts";
import { type Proxy, startProxy } from "../../local/network/proxy.ts";

const ends: (() => unknown)[] = [];
let proxy: Proxy;
let hosts: (string | undefined)[];
let kms: KMSClient;
let dynamodb: DynamoDBClient;

beforeEach(async () => {
  hosts = [];
  const server = createServer((request, response) => {
    hosts.push(request.headers.host);
    request.resume().once("end", () => {
      response.writeHead(200, { "Content-Type": request.headers["content-type"] });
      response.end(JSON.stringify({ KeyId: "key", Signature: "AAAA" }));
    });
  });
  const port = await listen(server);
  proxy = await startProxy({ target: `http://127.0.0.1:${port}` });
  const client = {
    endpoint: proxy.url,
    region: "us-east-1",
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
    maxAttempts: 3,
  };
  kms = new KMSClient(client);
  dynamodb = new DynamoDBClient(client);
  ends.push(
    () => closeServer(server),
    () => proxy.close(),
    () => kms.destroy(),
    () => dynamodb.destroy(),
  );
});
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

const sign = () =>
  kms.send(
    new SignCommand({
      KeyId: "key",
      Message: new Uint8Array(32),
      MessageType: "DIGEST",
      SigningAlgorithm: "ECDSA_SHA_256",
    }),
  );
const put = () => dynamodb.send(new PutItemCommand({ TableName: "t", Item: { id: { S: "1" } } }));

describe("proxy", () => {
  it("ok/counts calls by operation and leaves the Host that was signed", async () => {
    await sign();
    await sign();
    await put();
    expect(proxy.counts()).toEqual({ Sign: 2, PutItem: 1 });
    expect(new Set(hosts)).toEqual(new Set([new URL(proxy.url).host]));
    proxy.reset();
    expect(proxy.counts()).toEqual({});
  });

  it("ok/throttles so that the SDK tries again", async () => {
    const keys = proxy.fault({ kind: "throttle", operation: "Sign" });
    const table = proxy.fault({ kind: "throttle", operation: "PutItem", times: 2 });
    await sign();
    await put();
    expect([keys.hits(), table.hits()]).toEqual([1, 2]);
    expect(proxy.counts()).toEqual({ Sign: 2, PutItem: 3 });
    expect(hosts).toHaveLength(2);
  });

  it("ok/throttles with each service's own error", async () => {
    kms.config.maxAttempts = async () => 1;
    dynamodb.config.maxAttempts = async () => 1;
    proxy.fault({ kind: "throttle", times: 6 });
    await expect(sign()).rejects.toMatchObject({ name: "ThrottlingException" });
    await expect(put()).rejects.toMatchObject({ name: "ProvisionedThroughputExceededException" });
  });

  it("ok/resets before the service sees the call", async () => {
    proxy.fault({ kind: "reset", times: 3 });
    await expect(sign()).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(hosts).toHaveLength(0);
  });

  it("ok/drops the reply after the service did the work", async () => {
    const fault = proxy.fault({ kind: "dropReply", operation: "PutItem" });
    await put();
    expect(fault.hits()).toBe(1);
    expect(hosts).toHaveLength(2);
  });

  it("ok/answers any other error, with its members, after some calls have passed", async () => {
    const error = {
      code: "ConditionalCheckFailedException",
      message: "The conditional request failed",
      members: { Item: { id: { S: "theirs" } } },
    };
    proxy.fault({ kind: "error", error, operation: "UpdateItem", after: 1 });
    const update = () => dynamodb.send(new UpdateItemCommand({ TableName: "t", Key: { id: { S: "1" } } }));
    await update();
    await expect(update()).rejects.toMatchObject({
      name: "ConditionalCheckFailedException",
      Item: { id: { S: "theirs" } },
    });
    await update();
  });

  it("fails/refuses a target that is not on this machine", async () => {
    await expect(startProxy({ target: "https://kms.us-east-1.amazonaws.com" })).rejects.toMatchObject({
      code: "remote-endpoint",
    });
  });
});
