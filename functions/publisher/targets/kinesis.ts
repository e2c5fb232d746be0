import { type KinesisClient, PutRecordsCommand } from "@aws-sdk/client-kinesis";

import type { Target } from "../ports.ts";

const utf8 = new TextEncoder();

/** A Kinesis stream, a partition key for each device: it keeps the order of what it takes for one. */
export function kinesisTarget(client: KinesisClient, streamArn: string): Target {
  return {
    most: { entries: 500, bytes: 4_000_000 },
    ordered: true,
    async send(events) {
      const records = events.map(({ text, key }) => ({ PartitionKey: key, Data: utf8.encode(text) }));
      const { Records = [] } = await client.send(new PutRecordsCommand({ StreamARN: streamArn, Records: records }));
      return events.map((_, at) => (Records[at]?.SequenceNumber === undefined ? "later" : "taken"));
    },
  };
}
