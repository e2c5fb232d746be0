import { type FirehoseClient, PutRecordBatchCommand } from "@aws-sdk/client-firehose";

import type { Target } from "../ports.ts";

const utf8 = new TextEncoder();

/** A delivery stream of Firehose: a line of JSON each, since it puts records together as they are. It keeps no order. */
export function firehoseTarget(client: FirehoseClient, deliveryStreamName: string): Target {
  return {
    most: { entries: 500, bytes: 4_000_000 },
    ordered: false,
    async send(events) {
      const records = events.map(({ text }) => ({ Data: utf8.encode(`${text}\n`) }));
      const { RequestResponses = [] } = await client.send(
        new PutRecordBatchCommand({ DeliveryStreamName: deliveryStreamName, Records: records }),
      );
      return events.map((_, at) => (RequestResponses[at]?.RecordId === undefined ? "later" : "taken"));
    },
  };
}
