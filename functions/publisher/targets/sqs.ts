import { createHash } from "node:crypto";

import { SendMessageBatchCommand, type SQSClient } from "@aws-sdk/client-sqs";

import type { Target } from "../ports.ts";

/** A queue; a FIFO one keeps the order of each device, and takes a copy of the last five minutes for what it is. */
export function sqsTarget(client: SQSClient, queueUrl: string, kind: "standard" | "fifo"): Target {
  return {
    most: { entries: 10, bytes: 256_000 },
    ordered: kind === "fifo",
    async send(events) {
      const entries = events.map(({ event, text, key }, at) => ({
        Id: String(at),
        MessageBody: text,
        ...(kind === "fifo" ? { MessageGroupId: key, MessageDeduplicationId: deduplicationId(event.id) } : {}),
      }));
      const { Successful = [], Failed = [] } = await client.send(
        new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: entries }),
      );
      const taken = new Set(Successful.map(({ Id }) => Id));
      const rejected = new Set(Failed.filter(({ Code }) => isFinal(Code)).map(({ Id }) => Id));
      return events.map((_, at) => (taken.has(String(at)) ? "taken" : rejected.has(String(at)) ? "rejected" : "later"));
    },
  };
}

/** What a message says is wrong, and stays so; that somebody's key or queue is, may change. */
function isFinal(code: string | undefined): boolean {
  return /(?:^|\.)(?:InvalidMessageContents|InvalidParameterValue|InvalidParameterValueException)$/.test(code ?? "");
}

/** Of any length below 128; an id may be longer. */
function deduplicationId(id: string): string {
  return createHash("sha256").update(id).digest("hex");
}
