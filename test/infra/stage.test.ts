import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

import { serviceIdSchema } from "@sealpost/protocol/token/keys.ts";
import { describe, expect, test } from "vitest";

import { readStage } from "../../infra/stage.ts";
import type { StageInput } from "../../infra/stage.ts";

const members = {
  serviceId: "meters.example",
  keyGeneration: 1,
  logRetentionDays: 365,
  firmwareNoncurrentDays: 30,
  bootstrapThrottle: { rate: 50, burst: 100 },
  messageThrottle: { rate: 500, burst: 1000 },
};
const stages = { local: members, production: members };
const production = (context: object = {}): StageInput => ({
  context: { stage: "production", stages, ...context },
  endpoint: undefined,
});
const local = (context: object = {}, endpoint: string | undefined = "http://127.0.0.1:4566"): StageInput => ({
  context: { stage: "local", stages, assetsBucket: "assets", ...context },
  endpoint,
});
const withMembers = (changed: object) => production({ stages: { production: { ...members, ...changed } } });

test("ok/production", () => {
  expect(readStage(production())).toEqual({ stage: { ...members, name: "production" } });
});

test("ok/a service id is all that a stage must say", () => {
  const stages = { production: { serviceId: "meters.example" } };
  expect(readStage(production({ stages }))).toEqual({ stage: { serviceId: "meters.example", name: "production" } });
});

test.each(["http://127.0.0.1:4566", "http://localhost:4566", "http://[::1]:4566", "http://aws.localhost:1"])(
  "ok/local at %s",
  (endpoint) => {
    expect(readStage(local({}, endpoint))).toEqual({
      stage: { ...members, name: "local", emulator: { assetsBucket: "assets" } },
    });
  },
);

test("ok/the generation of the command line, in stage local", () => {
  expect(readStage(local({ keyGeneration: "2" }))).toMatchObject({ stage: { keyGeneration: 2 } });
});

test("ok/the custody of the command line, in stage local", () => {
  const given = { signingCustody: "epoch", decryptionCustody: "kms", custodyHandover: "true" };
  expect(readStage(local(given))).toMatchObject({ stage: { ...given, custodyHandover: true } });
});

test("ok/what the CDK itself keeps in the context is passed over", () => {
  const context = {
    "@aws-cdk/core:newFlag": true,
    "aws:cdk:enable-path-metadata": true,
    "availability-zones:account=1:region=eu-west-1": [],
    "cli-telemetry": false,
    "acknowledged-issue-numbers": [1],
  };
  expect(readStage(production(context))).toHaveProperty("stage");
});

test.each(["abc", "a:b.c_d-e", "ab", "-abc", "a b c", "a/b/c", "a".repeat(48), "a".repeat(49), "é-é"])(
  "ok/the protocol and the stage agree on service id %s",
  (serviceId) => {
    const accepted = "stage" in readStage(withMembers({ serviceId }));
    expect(accepted).toBe(serviceIdSchema.safeParse(serviceId).success);
  },
);

test.each(["local", "production"])("ok/cdk.json is right for stage %s", (stage) => {
  const { stages } = JSON.parse(readFileSync("cdk.json", "utf8")).context;
  expect(readStage(stage === "local" ? local({ stages }) : production({ stages }))).toHaveProperty("stage");
});

describe("what is wrong is said in one line", () => {
  const correct = "correct context.stages.production in cdk.json";
  test.each([
    [
      "no stage",
      production({ stage: undefined }),
      "no stage given: pass -c stage=production, or -c stage=local for an emulator on this machine",
    ],
    [
      "an unknown stage",
      production({ stage: "prod" }),
      'unknown stage "prod": pass -c stage=production, or -c stage=local for an emulator on this machine',
    ],
    [
      "a stage without members",
      production({ stages: {} }),
      "stage production has no members: add context.stages.production to cdk.json",
    ],
    [
      "an unknown member",
      withMembers({ keyGenerations: 1 }),
      `stage production: keyGenerations is not a member (serviceId, keyGeneration, logRetentionDays, firmwareNoncurrentDays, bootstrapThrottle, messageThrottle, signingCustody, decryptionCustody, signingEpochDays, decryptionEpochDays, custodyHandover, events): ${correct}`,
    ],
    [
      "a bad service id",
      withMembers({ serviceId: "my service" }),
      `stage production: serviceId is "my service", but must be 3 to 48 letters, digits or . : _ -, and begin with a letter or digit, because every token names it and devices keep it for life: ${correct}`,
    ],
    [
      "a missing service id",
      withMembers({ serviceId: undefined }),
      `stage production: serviceId is missing, but must be 3 to 48 letters, digits or . : _ -, and begin with a letter or digit, because every token names it and devices keep it for life: ${correct}`,
    ],
    [
      "a generation that is text",
      withMembers({ keyGeneration: "1" }),
      `stage production: keyGeneration is "1", but must be a whole number from 1, because every commit is conditional on it: ${correct}`,
    ],
    ...[
      "kinesis",
      {},
      "arn:aws:sns:eu-west-1:123456789012:events",
      { bus: "arn:aws:events:eu-west-1:1:event-bus/b" },
    ].map((events): [string, StageInput, string] => [
      `a target of events that is ${JSON.stringify(events)}`,
      withMembers({ events }),
      `stage production: events is ${JSON.stringify(events)}, but must be the ARN of a bus of EventBridge, a queue of SQS (FIFO too), a stream of Kinesis or a delivery stream of Firehose, because events go nowhere else: ${correct}`,
    ]),
    ...["serviceId", "keyGeneration", "messageThrottle"].map((member): [string, StageInput, string] => [
      `${member} on the command line, which the next deploy would forget`,
      production({ [member]: "2" }),
      `stage production: ${member} is not taken from -c, because the next deploy without it would change it back: set it in context.stages.production in cdk.json`,
    ]),
    [
      "a service id on the command line in stage local too",
      local({ serviceId: "other" }),
      "stage local: serviceId is not taken from -c, because the next deploy without it would change it back: set it in context.stages.local in cdk.json",
    ],
    [
      "context that nobody reads, mistyped members too",
      production({ serviceID: "meters.example", colour: "blue" }),
      "stage production: nobody reads -c serviceID, colour: this stage reads stage, stages, and from context.stages.production in cdk.json serviceId, keyGeneration, logRetentionDays, firmwareNoncurrentDays, bootstrapThrottle, messageThrottle, signingCustody, decryptionCustody, signingEpochDays, decryptionEpochDays, custodyHandover, events",
    ],
    [
      "context of the other stage",
      production({ assetsBucket: "assets" }),
      "stage production: nobody reads -c assetsBucket: this stage reads stage, stages, and from context.stages.production in cdk.json serviceId, keyGeneration, logRetentionDays, firmwareNoncurrentDays, bootstrapThrottle, messageThrottle, signingCustody, decryptionCustody, signingEpochDays, decryptionEpochDays, custodyHandover, events",
    ],
    [
      "a generation of the command line that is no number",
      local({ keyGeneration: "two" }),
      'stage local: keyGeneration is "two", but must be a whole number from 1, because every commit is conditional on it: correct context.stages.local in cdk.json',
    ],
    [
      "a retention that CloudWatch does not know",
      withMembers({ logRetentionDays: 8 }),
      `stage production: logRetentionDays is 8, but must be one of 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653, because CloudWatch Logs knows only these periods: ${correct}`,
    ],
    [
      "a custody that there is not",
      local({ signingCustody: "hsm" }),
      'stage local: signingCustody is "hsm", but must be "kms" or "epoch", because it says where the private key is that signs replies: correct context.stages.local in cdk.json',
    ],
    ...[7, 366, 8.5].map((days): [string, StageInput, string] => [
      `epochs of ${days} days`,
      withMembers({ decryptionEpochDays: days }),
      `stage production: decryptionEpochDays is ${days}, but must be a whole number of days from 8 to 365, because the next key is listed for a week before it is preferred, one at a time: ${correct}`,
    ]),
    [
      "a throttle without burst",
      withMembers({ bootstrapThrottle: { rate: 1 } }),
      `stage production: bootstrapThrottle is {"rate":1}, but must be { "rate": requests a second, "burst": requests }, whole numbers from 1, because it is what slows down guessing of credentials: ${correct}`,
    ],
    ...[
      [500, "is 500"],
      [{ rate: 0, burst: 1000 }, 'is {"rate":0,"burst":1000}'],
      [{ rate: 500, burst: "1000" }, 'is {"rate":500,"burst":"1000"}'],
      [{ rate: 0.5, burst: 1 }, 'is {"rate":0.5,"burst":1}'],
      [{ rate: 500, burst: 1000, quota: 1 }, 'is {"rate":500,"burst":1000,"quota":1}'],
    ].map(([messageThrottle, given]): [string, StageInput, string] => [
      `a throttle of messages that ${String(given)}`,
      withMembers({ messageThrottle }),
      `stage production: messageThrottle ${String(given)}, but must be { "rate": requests a second, "burst": requests }, whole numbers from 1, because each message costs RSA operations of KMS, whose quota the whole account shares: ${correct}`,
    ]),
    [
      "two bad members, both named",
      withMembers({ keyGeneration: 0, firmwareNoncurrentDays: 0.5 }),
      `stage production: keyGeneration is 0, but must be a whole number from 1, because every commit is conditional on it; firmwareNoncurrentDays is 0.5, but must be a whole number of days from 1, because replaced firmware objects are kept that long: ${correct}`,
    ],
    [
      "local without an endpoint",
      { ...local(), endpoint: undefined },
      "stage local: AWS_ENDPOINT_URL is not set, but must name an emulator on this machine, because this stage destroys its data with the stack: set it to http://127.0.0.1:<port>, or pass -c stage=production",
    ],
    [
      "local against another machine",
      local({}, "https://127.0.0.1.example.com"),
      'stage local: AWS_ENDPOINT_URL is "https://127.0.0.1.example.com", but must name an emulator on this machine, because this stage destroys its data with the stack: set it to http://127.0.0.1:<port>, or pass -c stage=production',
    ],
    [
      "local without a bucket",
      local({ assetsBucket: undefined }),
      "stage local: assetsBucket is missing or no bucket name, but an emulator has no bootstrap stack to take code from: create a bucket and pass -c assetsBucket=<name>",
    ],
  ])("fails/%s", (_name, broken, problem) => {
    expect(readStage(broken)).toEqual({ problem });
  });

  test("fails/the app prints that one line and ends with 1", () => {
    const { AWS_ENDPOINT_URL: _, CDK_CONTEXT_JSON: __, ...env } = process.env;
    const run = spawnSync(process.execPath, ["infra/app.ts"], { env, encoding: "utf8" });
    expect(run).toMatchObject({
      status: 1,
      stdout: "",
      stderr: "no stage given: pass -c stage=production, or -c stage=local for an emulator on this machine\n",
    });
  });
});
