import { EventBus, type IEventBus } from "aws-cdk-lib/aws-events";
import { type IStream, Stream } from "aws-cdk-lib/aws-kinesis";
import { DeliveryStream, type IDeliveryStream } from "aws-cdk-lib/aws-kinesisfirehose";
import { type IQueue, Queue } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";

/** Where events go: a bus of EventBridge, a queue of SQS, a stream of Kinesis or a delivery stream of Firehose. */
export type EventsTarget =
  | { readonly bus: IEventBus }
  | { readonly queue: IQueue }
  | { readonly stream: IStream }
  | { readonly deliveryStream: IDeliveryStream };

type FromArn = (scope: Construct, id: string, arn: string) => EventsTarget;

/** What ARNs of each kind look like, behind `arn:<partition>:`; the name of a FIFO queue ends in `.fifo`. */
const kinds = [
  {
    form: /^events:[a-z0-9-]+:\d{12}:event-bus\/[A-Za-z0-9._/-]{1,256}$/u,
    from: (scope, id, arn) => ({ bus: EventBus.fromEventBusArn(scope, id, arn) }),
  },
  {
    form: /^sqs:[a-z0-9-]+:\d{12}:(?:[A-Za-z0-9_-]{1,80}|[A-Za-z0-9_-]{1,75}\.fifo)$/u,
    from: (scope, id, arn) => ({ queue: Queue.fromQueueArn(scope, id, arn) }),
  },
  {
    form: /^kinesis:[a-z0-9-]+:\d{12}:stream\/[A-Za-z0-9_.-]{1,128}$/u,
    from: (scope, id, arn) => ({ stream: Stream.fromStreamArn(scope, id, arn) }),
  },
  {
    form: /^firehose:[a-z0-9-]+:\d{12}:deliverystream\/[A-Za-z0-9_.-]{1,64}$/u,
    from: (scope, id, deliveryStreamArn) => ({
      deliveryStream: DeliveryStream.fromDeliveryStreamAttributes(scope, id, { deliveryStreamArn }),
    }),
  },
] as const satisfies readonly { readonly form: RegExp; readonly from: FromArn }[];

function kindOf(arn: string) {
  const [, rest = ""] = /^arn:aws(?:-[a-z]+)*:(.*)$/u.exec(arn) ?? [];
  return kinds.find(({ form }) => form.test(rest));
}

/** Whether it is a target, or the ARN of one. */
export function isEventsTarget(value: unknown): boolean {
  if (typeof value === "string") return kindOf(value) !== undefined;
  if (typeof value !== "object" || value === null) return false;
  const [target, ...others] = Object.values(value);
  return others.length === 0 && Construct.isConstruct(target);
}

/** The target itself, whichever way it was named. */
export function toEventsTarget(scope: Construct, given: EventsTarget | string): EventsTarget {
  if (typeof given !== "string") return given;
  const kind = kindOf(given);
  if (kind === undefined) throw new Error(`${scope.node.path}: ${given} is the ARN of no target of events`);
  return kind.from(scope, "Target", given);
}
