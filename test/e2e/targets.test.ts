import { setTimeout as delay } from "node:timers/promises";

import { CreateDeliveryStreamCommand, FirehoseClient } from "@aws-sdk/client-firehose";
import {
  CreateStreamCommand,
  DescribeStreamCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
} from "@aws-sdk/client-kinesis";
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { CreateQueueCommand, DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { type PublishedEvent, publishedEventSchema } from "@sealpost/protocol/operator/events.ts";
import { expect, test, vi } from "vitest";

import { eventText, orderKey } from "../../functions/publisher/event.ts";
import type { Target } from "../../functions/publisher/ports.ts";
import { firehoseTarget } from "../../functions/publisher/targets/firehose.ts";
import { kinesisTarget } from "../../functions/publisher/targets/kinesis.ts";
import { sqsTarget } from "../../functions/publisher/targets/sqs.ts";
import { emulatorClient } from "../../local/emulator/aws-environment.ts";
import { stack } from "./world.ts";

/** The targets that no other test deploys, with real records and read back as a subscriber does. */

const client = emulatorClient(stack.endpoint);
const patience = { timeout: 20_000, interval: 200 };
const devices = ["0b7c1d5e-0000-4000-8000-000000000001", "0b7c1d5e-0000-4000-8000-000000000002"];
/** Two devices in turn. */
const sent: readonly PublishedEvent[] = Array.from({ length: 12 }, (_, at) => {
  const deviceId = devices[at % 2] ?? "";
  return {
    id: `${deviceId}/${at}`,
    type: "readings",
    time: 1_800_000_000 + at,
    deviceId,
    target: `device#${deviceId}`,
    detail: { seq: at, stream: "meter.energy", records: [{ value: at, unit: "Wh", name: "\u{1F321}\uFFFE" }] },
  };
});

async function publishTo(target: Target): Promise<void> {
  const outgoing = sent.map((event) => ({ event, text: eventText(event), key: orderKey(event) }));
  for (let first = 0; first < outgoing.length; first += target.most.entries) {
    const call = outgoing.slice(first, first + target.most.entries);
    expect(await target.send(call)).toEqual(call.map(() => "taken"));
  }
}

const read = (text: string) => publishedEventSchema.parse(JSON.parse(text));
const byDevice = (events: readonly PublishedEvent[]) =>
  devices.map((id) => events.filter(({ deviceId }) => deviceId === id));

test("ok/a FIFO queue has each event once, in the order of its device, also where it was sent twice", async () => {
  const sqs = new SQSClient(client);
  const { QueueUrl = "" } = await sqs.send(
    new CreateQueueCommand({ QueueName: "targets.fifo", Attributes: { FifoQueue: "true" } }),
  );
  await publishTo(sqsTarget(sqs, QueueUrl, "fifo"));
  await publishTo(sqsTarget(sqs, QueueUrl, "fifo"));
  const got: PublishedEvent[] = [];
  for (let empty = 0; empty < 2;) {
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
    empty = Messages.length === 0 ? empty + 1 : 0;
    for (const { Body = "", ReceiptHandle } of Messages) {
      got.push(read(Body));
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
    await delay(50);
  }
  sqs.destroy();
  expect(byDevice(got)).toEqual(byDevice(sent));
});

test("ok/a stream of Kinesis has each event, in the order of its device", async () => {
  const kinesis = new KinesisClient(client);
  const StreamName = "targets";
  await kinesis.send(new CreateStreamCommand({ StreamName, ShardCount: 2 }));
  const described = await vi.waitFor(async () => {
    const { StreamDescription } = await kinesis.send(new DescribeStreamCommand({ StreamName }));
    expect(StreamDescription?.StreamStatus).toBe("ACTIVE");
    return StreamDescription;
  }, patience);
  await publishTo(kinesisTarget(kinesis, described?.StreamARN ?? ""));
  const got: PublishedEvent[] = [];
  for (const { ShardId } of described?.Shards ?? []) {
    const { ShardIterator } = await kinesis.send(
      new GetShardIteratorCommand({ StreamName, ShardId, ShardIteratorType: "TRIM_HORIZON" }),
    );
    const { Records = [] } = await kinesis.send(new GetRecordsCommand({ ShardIterator }));
    got.push(...Records.map(({ Data }) => read(Buffer.from(Data ?? []).toString("utf8"))));
  }
  kinesis.destroy();
  expect(byDevice(got)).toEqual(byDevice(sent));
});

test("ok/a delivery stream of Firehose brings each event to its bucket, a line each", async () => {
  const firehose = new FirehoseClient(client);
  const s3 = new S3Client({ ...client, forcePathStyle: true });
  const Bucket = "sealpost-targets";
  await s3.send(new CreateBucketCommand({ Bucket }));
  await firehose.send(
    new CreateDeliveryStreamCommand({
      DeliveryStreamName: "targets",
      ExtendedS3DestinationConfiguration: {
        BucketARN: `arn:aws:s3:::${Bucket}`,
        RoleARN: "arn:aws:iam::000000000000:role/firehose",
      },
    }),
  );
  await publishTo(firehoseTarget(firehose, "targets"));
  await vi.waitFor(async () => {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }));
    const texts = await Promise.all(
      Contents.map(async ({ Key }) => (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString()),
    );
    const lines = texts.flatMap((text) => text?.split("\n") ?? []).filter((line) => line !== "");
    const events = lines.map(read).toSorted((one, other) => one.time - other.time);
    expect(events).toEqual(sent);
  }, patience);
  firehose.destroy();
  s3.destroy();
});
