import {
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  type SQSClient,
  SendMessageBatchCommand,
} from "@aws-sdk/client-sqs";

import { awsFault } from "../fault/aws-fault.ts";
import { Fault } from "../fault/fault.ts";
import { splitIntoCalls } from "./calls.ts";
import { eventText } from "./event.ts";
import { parseParked } from "./parked.ts";
import type { Parking } from "./ports.ts";

/** Of one call: a record of the table alone may be half as large as a message may be. */
const most = { entries: 10, bytes: 256_000 };
const tries = 3;

/** The publisher's own queue; `client` is asked for when it is needed, which is hardly ever. */
export function sqsParking(client: () => Promise<SQSClient>, queueUrl: string): Parking {
  const send = async (bodies: readonly string[]) => {
    let waiting = bodies.map((MessageBody, at) => ({ Id: String(at), MessageBody }));
    for (let attempt = 0; attempt < tries && waiting.length > 0; attempt += 1) {
      const { Successful = [] } = await (
        await client()
      )
        .send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: waiting }))
        .catch((error: unknown) => {
          throw awsFault(error, "SQS park");
        });
      const taken = new Set(Successful.map(({ Id }) => Id));
      waiting = waiting.filter(({ Id }) => !taken.has(Id));
    }
    if (waiting.length > 0) throw new Fault("unavailable", "SQS park: not everything was taken");
  };

  return {
    async park(parked) {
      for (const call of splitIntoCalls(parked.map(eventText), Buffer.byteLength, most)) await send(call);
    },
    async take() {
      const { Messages = [] } = await (
        await client()
      ).send(new ReceiveMessageCommand({ QueueUrl: queueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }));
      return Messages.map(({ ReceiptHandle = "", Body = "" }) => ({
        handle: ReceiptHandle,
        parked: parseParked(Body),
      }));
    },
    async release(handles) {
      if (handles.length === 0) return;
      const Entries = handles.map((ReceiptHandle, at) => ({ Id: String(at), ReceiptHandle }));
      await (await client()).send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
    },
  };
}
