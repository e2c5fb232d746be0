import { describe, expect, test } from "vitest";
import * as z from "zod/mini";

import { allowed, at, ofType, pathOf, stageOf, statements, synthesise } from "./template.ts";

const { template } = synthesise(stageOf("production"));

const log = ["logs:CreateLogStream", "logs:PutLogEvents"];
const sign = ["kms:GetPublicKey", "kms:Sign"];
const table = (...names: string[]) => names.map((name) => `dynamodb:${name}`);

/** Everything a function may do, and on what. Whoever adds a permission adds it here. */
const functionPermissions = {
  "BootstrapApi/Function": {
    "BootstrapApi/Function/Logs": log,
    "Registry/Credentials": table("BatchGetItem", "PutItem"),
    "Registry/Devices": table("BatchGetItem", "PutItem"),
    "Registry/Journal": table("BatchGetItem", "GetItem", "PutItem"),
    "Trust/Trust": table("BatchGetItem"),
    "Keys/FirstTokenKey": sign,
    "Keys/IssuingCaKey": sign,
  },
  "MessageApi/Function": {
    "MessageApi/Function/Logs": log,
    "Registry/Devices": table("BatchGetItem", "PutItem"),
    "Registry/Releases": table("GetItem"),
    "Registry/Journal": table("BatchGetItem", "GetItem", "PutItem"),
    "Trust/Trust": table("BatchGetItem"),
    "Keys/MessageSigningKey": sign,
    "Keys/ReceiptKey": sign,
    "Keys/IssuingCaKey": sign,
    "Keys/MessageDecryptionKey1": ["kms:Decrypt", "kms:GetPublicKey"],
    "Keys/SecretsKey": ["kms:Decrypt"],
  },
  "KeySet/SignFunction": {
    "KeySet/SignFunction/Logs": log,
    "Trust/Trust": table("GetItem", "PutItem"),
    "Epochs/Epochs": table("GetItem", "PutItem"),
    "Keys/KeySetKey": sign,
    "Keys/MessageSigningKey": ["kms:GetPublicKey"],
    "Keys/MessageDecryptionKey1": ["kms:GetPublicKey"],
  },
  "KeySet/ReadFunction": {
    "KeySet/ReadFunction/Logs": log,
    "Trust/Trust": table("BatchGetItem"),
  },
  "OperatorApi/Function": {
    "OperatorApi/Function/Logs": log,
    "Registry/Credentials": table("BatchGetItem", "PutItem"),
    "Registry/Credentials/index/list": table("Query"),
    "Registry/Devices": table("BatchGetItem", "PutItem"),
    "Registry/Devices/index/list": table("Query"),
    "Registry/Releases": table("BatchGetItem", "GetItem", "PutItem", "Query"),
    "Registry/Releases/index/list": table("Query"),
    "Registry/Journal": table("BatchGetItem", "GetItem", "PutItem", "Query"),
    "Registry/Journal/index/byDay": table("Query"),
    "Trust/Trust": table("GetItem", "PutItem"),
  },
  "Events/Function": {
    "Events/Function/Logs": log,
    "Events/Bus": ["events:PutEvents"],
    "Events/Parked": ["sqs:DeleteMessage", "sqs:ReceiveMessage", "sqs:SendMessage"],
    "Events/Failures": ["s3:ListBucket"],
    "Events/Failures/aws/lambda/*": ["s3:PutObject"],
    "Registry/Devices.StreamArn": table("DescribeStream", "GetRecords", "GetShardIterator"),
    "Registry/Devices/stream/*": table("ListStreams"),
    "Registry/Journal.StreamArn": table("DescribeStream", "GetRecords", "GetShardIterator"),
    "Registry/Journal/stream/*": table("ListStreams"),
    "Registry/Journal/index/byDay": table("Query"),
  },
};

const invoke = (...routes: string[]) =>
  Object.fromEntries(
    routes.map((route) => [
      `arn:AWS::Partition:execute-api:AWS::Region:AWS::AccountId:Api/HttpApi/$default/${route}`,
      ["execute-api:Invoke"],
    ]),
  );
const publicKey = ["kms:GetPublicKey"];

const operatorPermissions = {
  Enrolling: invoke(
    "POST/operator/credentials",
    "POST/operator/credentials/*/revoke",
    "GET/operator/credentials",
    "GET/operator/devices",
    "GET/operator/devices/*",
  ),
  Revoking: invoke(
    "POST/operator/devices/*/revoke",
    "POST/operator/credentials/*/revoke",
    "GET/operator/credentials",
    "GET/operator/devices",
    "GET/operator/devices/*",
  ),
  Commanding: invoke(
    "GET/operator/devices",
    "GET/operator/devices/*",
    "POST/operator/commands/*",
    "GET/operator/commands/*",
    "GET/operator/commands/*/*",
    "POST/operator/commands/*/*/cancel",
  ),
  Publishing: {
    "Events/Function/Handler": ["lambda:InvokeFunction"],
    "Events/Parked": ["sqs:GetQueueAttributes"],
  },
  Releasing: {
    ...invoke(
      "GET/operator/devices",
      "GET/operator/releases",
      "POST/operator/releases",
      "POST/operator/releases/withdraw",
    ),
    "Keys/ReleaseKey": sign,
    "Keys/SecretsKey": ["kms:GenerateDataKey"],
    "FirmwareStore/Bucket/firmware/*": ["s3:PutObject"],
  },
  Root: {
    ...invoke("GET/operator/trust", "POST/operator/trust"),
    "Keys/RootKey": sign,
    "Keys/IssuingCaKey": publicKey,
    "Keys/KeySetKey": publicKey,
    "Keys/ReceiptKey": publicKey,
    "Keys/ReleaseKey": publicKey,
  },
  Reading: invoke(
    "GET/operator/trust",
    "GET/operator/credentials",
    "GET/operator/devices",
    "GET/operator/devices/*",
    "GET/operator/commands/*",
    "GET/operator/commands/*/*",
    "GET/operator/releases",
    "GET/operator/audit",
  ),
};

const Policy = z.object({
  PolicyDocument: z.unknown(),
  Roles: z.array(z.object({ Ref: z.string() })),
});
const rolePolicies = ofType(template, "AWS::IAM::Policy").map(([, { Properties }]) => {
  const { PolicyDocument, Roles } = Policy.parse(Properties);
  return {
    roles: Roles.map((role) => pathOf(template, role.Ref)),
    found: statements(template, PolicyDocument),
  };
});

describe("functions", () => {
  test.each(Object.entries(functionPermissions))("ok/%s: exactly its permissions", (path, expected) => {
    const own = rolePolicies.filter(({ roles }) => roles.includes(`${path}/Role`));
    expect(allowed(own.flatMap(({ found }) => found))).toEqual(expected);
  });

  test("fails/no role of a function has a policy from elsewhere", () => {
    const roles = ofType(template, "AWS::IAM::Role").filter(([id]) => pathOf(template, id).endsWith("/Function/Role"));
    expect(roles.length).toBeGreaterThan(0);
    for (const [, { Properties }] of roles) {
      expect(Properties).not.toHaveProperty("ManagedPolicyArns");
      expect(Properties).not.toHaveProperty("Policies");
    }
  });

  test("ok/every policy of a role belongs to a function of the table", () => {
    expect(rolePolicies.flatMap(({ roles }) => roles).sort()).toEqual(
      Object.keys(functionPermissions)
        .map((path) => `${path}/Role`)
        .sort(),
    );
  });

  test("fails/none scans, deletes, or reaches every resource or every action", () => {
    const found = rolePolicies.flatMap((policy) => policy.found);
    // The names of streams and of what Lambda gives up are not chosen here; a parked event goes when it is published.
    expect(
      found
        .flatMap(({ resources }) => resources)
        .filter((name) => name.includes("*"))
        .sort(),
    ).toEqual(["Events/Failures/aws/lambda/*", "Registry/Devices/stream/*", "Registry/Journal/stream/*"]);
    expect(found.flatMap(({ actions }) => actions).filter((name) => /\*|Scan|Delete/.test(name))).toEqual([
      "sqs:DeleteMessage",
    ]);
  });

  test("fails/none mentions a key of the operators", () => {
    expect(JSON.stringify(rolePolicies)).not.toMatch(/RootKey|ReleaseKey/);
  });

  test("ok/a stored secret is opened only for an object that is named", () => {
    const decrypt = rolePolicies
      .flatMap(({ found }) => found)
      .filter(({ resources }) => resources.includes("Keys/SecretsKey"));
    expect(decrypt.map(({ condition }) => condition)).toEqual([{ Null: { "kms:EncryptionContext:object": "false" } }]);
  });
});

describe("operators", () => {
  const policyOf = (name: string) => {
    const { Properties } = at(template, `OperatorPolicies/${name}`);
    return statements(template, Properties?.["PolicyDocument"]);
  };

  test.each(Object.entries(operatorPermissions))("ok/%s: exactly its permissions", (name, expected) => {
    expect(allowed(policyOf(name))).toEqual(expected);
  });

  test.each([
    ["Root", "Keys/RootKey"],
    ["Releasing", "Keys/ReleaseKey"],
  ])("fails/%s denies its key to the code of any function", (name, key) => {
    expect(policyOf(name).filter(({ effect }) => effect === "Deny")).toEqual([
      {
        sid: "NoFunctionSigns",
        effect: "Deny",
        actions: ["kms:Sign"],
        resources: [key],
        principal: undefined,
        condition: { Null: { "lambda:SourceFunctionArn": "false" } },
      },
    ]);
  });
});
