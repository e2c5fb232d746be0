import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { clientConfiguration, credentialsOf } from "../../operator/aws-access.ts";
import { isLoopback } from "@sealpost/protocol/loopback.ts";
import { lookup } from "../../operator/loopback.ts";
import { readStack } from "../../operator/stack.ts";
import { deployedStack, localStack } from "./stacks.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sealpost-stack-"));
});
afterEach(() => rm(folder, { recursive: true }));

const write = async (json: unknown, name = "stack.json") => {
  await writeFile(join(folder, name), JSON.stringify(json));
  return name;
};
const read = async (json: unknown) => readStack(await write(json), {}, folder);
const codeOf = async (reading: Promise<unknown>) =>
  reading.then(
    () => "ok",
    (error: { code: string }) => error.code,
  );

describe("which file", () => {
  test("ok/the option, then the environment, then the nearest .local/stack.json upward", async () => {
    await mkdir(join(folder, ".local"));
    await mkdir(join(folder, "deep", "er"), { recursive: true });
    await write(localStack({ messageUrl: "http://localhost:1" }), ".local/stack.json");
    const variable = await write(localStack({ messageUrl: "http://localhost:2" }), "variable.json");
    const option = await write(localStack({ messageUrl: "http://localhost:3" }), "option.json");
    const environment = { SEALPOST_STACK: join(folder, variable) };
    expect(readStack(join(folder, option), environment, join(folder, "deep", "er")).messageUrl).toBe(
      "http://localhost:3",
    );
    expect(readStack(undefined, environment, join(folder, "deep", "er")).messageUrl).toBe("http://localhost:2");
    expect(readStack(undefined, { SEALPOST_STACK: "" }, join(folder, "deep", "er")).messageUrl).toBe(
      "http://localhost:1",
    );
  });

  test("fails/none at all says how to come by one", () => {
    expect(() => readStack(undefined, {}, folder)).toThrow(
      expect.objectContaining({ code: "not-set-up", next: expect.stringContaining("npm run up") }),
    );
  });

  test("fails/one that is not there or is no JSON", async () => {
    expect(() => readStack("nothing.json", {}, folder)).toThrow(expect.objectContaining({ code: "not-set-up" }));
    await writeFile(join(folder, "half.json"), "{");
    expect(() => readStack("half.json", {}, folder)).toThrow(expect.objectContaining({ code: "not-set-up" }));
  });
});

describe("a local stack", () => {
  test("ok/is reached by its own credentials, never by the user's", async () => {
    const { access } = await read(localStack());
    expect(await credentialsOf(access)()).toEqual({ accessKeyId: "LOCAL", secretAccessKey: "local-secret" });
    expect(clientConfiguration(access)).toMatchObject({
      endpoint: "http://127.0.0.1:4566",
      credentials: { accessKeyId: "LOCAL" },
    });
  });

  test.each(["endpoint", "operatorUrl", "bootstrapUrl", "messageUrl"])(
    "fails/%s on another machine",
    async (member) => {
      for (const host of [
        "kms.us-east-1.amazonaws.com",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "10.0.0.1",
      ]) {
        expect(await codeOf(read(localStack({ [member]: `https://${host}/` })))).toBe("usage");
      }
    },
  );

  test("fails/one that has ended, or lacks a member", async () => {
    expect(await codeOf(read(localStack({ pid: 2 ** 22 + 1 })))).toBe("not-set-up");
    expect(await codeOf(read(localStack({ ca: undefined })))).toBe("not-set-up");
  });
});

describe("a deployed stack", () => {
  test("ok/is what CDK wrote, without any credentials", async () => {
    const stack = await read(deployedStack());
    expect(stack).toMatchObject({
      operatorUrl: "https://a1.execute-api.eu-west-1.amazonaws.com",
      bootstrapUrl: "https://a1.execute-api.eu-west-1.amazonaws.com/bootstrap",
      messageUrl: "http://d1.cloudfront.net",
      access: { region: "eu-west-1" },
    });
    expect(clientConfiguration(stack.access)).not.toHaveProperty("credentials");
    expect(clientConfiguration(stack.access)).not.toHaveProperty("endpoint");
  });

  test("ok/is found among stacks of other kinds", async () => {
    expect((await read({ ...deployedStack(), Network: { VpcId: "vpc-1" } })).outputs.ServiceId).toBe("sealpost");
  });

  test.each([
    ["no stack", {}],
    ["no Sealpost stack", { Network: { VpcId: "vpc-1" } }],
    ["two Sealpost stacks", { ...deployedStack(), ...deployedStack({}, "Sealpost-staging") }],
    ["the outputs of a local stack", deployedStack({}, "Sealpost-local")],
    ["an API on this machine, which would get AWS credentials", deployedStack({ ApiUrl: "https://localhost:8443" })],
    ["an API without TLS", deployedStack({ ApiUrl: "http://a1.execute-api.eu-west-1.amazonaws.com" })],
  ])("fails/%s", async (_, json) => {
    expect(await codeOf(read(json))).toBe("usage");
  });

  test("fails/a missing output is named", async () => {
    await expect(read(deployedStack({ SecretsKeyId: undefined }))).rejects.toThrow("SecretsKeyId");
  });
});

test.each([
  ["localhost", true],
  ["a1.execute-api.localhost", true],
  ["127.0.0.1", true],
  ["[::1]", true],
  ["localhost.example.com", false],
  ["notlocalhost", false],
  ["127.0.0.1.example.com", false],
  ["0.0.0.0", false],
])("ok/%s is loopback: %o", (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});

test("ok/every name under localhost resolves to this machine, as RFC 6761 says", async () => {
  const resolved = await new Promise((resolve) => {
    lookup("a1.execute-api.localhost", { all: true }, (_, addresses) => resolve(addresses));
  });
  expect(resolved).toEqual([{ address: "127.0.0.1", family: 4 }]);
});
