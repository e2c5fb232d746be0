import { GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import * as z from "zod/mini";

import { awsFault, clientConfiguration } from "./aws-access.ts";
import { OperatorFault } from "./fault.ts";
import type { Stack } from "./stack.ts";

/** What is asked of the publisher besides what the streams bring. */
export type Asked =
  | { readonly redrive: true }
  | { readonly replay: { readonly day: string; readonly cursor?: string } };

const answerSchema = z.object({ published: z.int(), parked: z.int(), cursor: z.optional(z.string()) });
export type Answer = z.infer<typeof answerSchema>;

/** Longer than the function runs at most. */
const callMilliseconds = 70_000;

export type Publisher = {
  /** @throws OperatorFault */
  ask(asked: Asked): Promise<Answer>;
  /** About how many events and records are parked. */
  countParked(): Promise<number>;
  close(): void;
};

/** The function that publishes, called as an operator whom the stack's policy for publishing allows it. */
export function openPublisher(stack: Stack): Publisher {
  const configuration = clientConfiguration(stack.access);
  const functions = new LambdaClient({
    ...configuration,
    requestHandler: { ...configuration.requestHandler, requestTimeout: callMilliseconds },
  });
  const queues = new SQSClient(configuration);
  const fault = (error: unknown, doing: string) => awsFault(error, doing, "PublishingPolicyArn", stack);
  return {
    async ask(asked) {
      const { FunctionError, Payload } = await functions
        .send(
          new InvokeCommand({
            FunctionName: stack.outputs.PublisherFunctionName,
            Payload: Buffer.from(JSON.stringify(asked)),
          }),
        )
        .catch((error: unknown) => {
          throw fault(error, "call the publisher");
        });
      const answer = answerSchema.safeParse(parse(Payload));
      if (FunctionError === undefined && answer.success) return answer.data;
      throw new OperatorFault(
        "unavailable",
        "The publisher failed: it could neither publish nor park.",
        "look at its log (stack output PublisherFunctionName), mend the target, and run the command again",
      );
    },
    async countParked() {
      const { Attributes } = await queues
        .send(
          new GetQueueAttributesCommand({
            QueueUrl: stack.outputs.ParkedQueueUrl,
            AttributeNames: ["ApproximateNumberOfMessages"],
          }),
        )
        .catch((error: unknown) => {
          throw fault(error, "count what is parked");
        });
      return Number(Attributes?.ApproximateNumberOfMessages ?? 0);
    },
    close() {
      functions.destroy();
      queues.destroy();
    },
  };
}

function parse(payload: Uint8Array | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(payload ?? []).toString("utf8"));
  } catch {
    return undefined;
  }
}
