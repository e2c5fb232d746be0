import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { App, Stack } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import { EventBus } from "aws-cdk-lib/aws-events";
import { Stream } from "aws-cdk-lib/aws-kinesis";
import { DeliveryStream } from "aws-cdk-lib/aws-kinesisfirehose";
import { Queue } from "aws-cdk-lib/aws-sqs";
import { afterAll, expect, test } from "vitest";

import { Events } from "../../infra/events.ts";
import type { EventsTarget } from "../../infra/events-target.ts";
import { Registry } from "../../infra/registry.ts";

const directory = mkdtempSync(join(tmpdir(), "sealpost-events-"));
const code = join(directory, "code");
mkdirSync(code);
writeFileSync(join(code, "index.mjs"), "export const handler = () => {};\n");
afterAll(() => rmSync(directory, { recursive: true }));

const account = "eu-west-1:123456789012";
const queueArn = `arn:aws:sqs:${account}:events`;
const targets: Record<
  string,
  [(stack: Stack) => EventsTarget | string, { kind: string; address: unknown; action: string }]
> = {
  "a bus of another account": [
    (stack) => ({ bus: EventBus.fromEventBusArn(stack, "Given", `arn:aws:events:${account}:event-bus/theirs`) }),
    { kind: "bus", address: `arn:aws:events:${account}:event-bus/theirs`, action: "events:PutEvents" },
  ],
  "a queue": [
    (stack) => ({ queue: Queue.fromQueueArn(stack, "Given", queueArn) }),
    { kind: "queue", address: Match.anyValue(), action: "sqs:SendMessage" },
  ],
  "a FIFO queue": [
    (stack) => ({ queue: Queue.fromQueueArn(stack, "Given", `${queueArn}.fifo`) }),
    { kind: "fifo-queue", address: Match.anyValue(), action: "sqs:SendMessage" },
  ],
  "a stream": [
    (stack) => ({ stream: Stream.fromStreamArn(stack, "Given", `arn:aws:kinesis:${account}:stream/theirs`) }),
    { kind: "stream", address: `arn:aws:kinesis:${account}:stream/theirs`, action: "kinesis:PutRecords" },
  ],
  "a delivery stream": [
    (stack) => ({ deliveryStream: DeliveryStream.fromDeliveryStreamName(stack, "Given", "theirs") }),
    { kind: "delivery-stream", address: "theirs", action: "firehose:PutRecordBatch" },
  ],
  "a bus by its ARN": [
    () => `arn:aws:events:${account}:event-bus/theirs`,
    { kind: "bus", address: `arn:aws:events:${account}:event-bus/theirs`, action: "events:PutEvents" },
  ],
  "a queue by its ARN": [() => queueArn, { kind: "queue", address: Match.anyValue(), action: "sqs:SendMessage" }],
  "a FIFO queue by its ARN": [
    () => `${queueArn}.fifo`,
    { kind: "fifo-queue", address: Match.anyValue(), action: "sqs:SendMessage" },
  ],
  "a stream by its ARN": [
    () => `arn:aws-cn:kinesis:${account}:stream/theirs`,
    { kind: "stream", address: `arn:aws-cn:kinesis:${account}:stream/theirs`, action: "kinesis:PutRecords" },
  ],
  "a delivery stream by its ARN": [
    () => `arn:aws:firehose:${account}:deliverystream/theirs`,
    { kind: "delivery-stream", address: "theirs", action: "firehose:PutRecordBatch" },
  ],
};

test.each(Object.entries(targets))("ok/%s: told of, allowed to, and no bus beside it", (name, [given, expected]) => {
  const stack = new Stack(new App({ analyticsReporting: false, outdir: join(directory, name) }), "Stack");
  const settings = { logRetentionDays: 365, retain: true };
  const registry = new Registry(stack, "Registry", { retain: true });
  const target = given(stack);
  const events = new Events(stack, "Events", {
    serviceId: "test-service",
    registry,
    target,
    code,
    settings,
    emulated: true,
  });
  expect({ bus: events.bus, tail: events.tail }).toEqual({ bus: undefined, tail: undefined });
  const template = Template.fromStack(stack);
  template.resourceCountIs("AWS::Events::EventBus", 0);
  template.hasResourceProperties("AWS::Lambda::Function", {
    Environment: {
      Variables: Match.objectLike({ TARGET_KIND: expected.kind, TARGET_ADDRESS: expected.address }),
    },
  });
  const policies = JSON.stringify(template.findResources("AWS::IAM::Policy"));
  const sending = /"(?:events:PutEvents|kinesis:PutRecords|firehose:PutRecordBatch|sqs:SendMessage)"/gu;
  // The publisher parks by `sqs:SendMessage`, whatever its target.
  expect([...policies.matchAll(sending)].map(([action]) => action).sort()).toEqual(
    [`"${expected.action}"`, '"sqs:SendMessage"'].sort(),
  );
});
