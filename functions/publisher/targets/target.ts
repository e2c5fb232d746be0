import { Fault } from "../../fault/fault.ts";
import type { Target } from "../ports.ts";
import { targetSettings } from "./settings.ts";

type Opener = (address: string, serviceId: string) => Promise<Target>;

/** Kinds of targets. Each brings its client on demand: a function loads that of its own target alone. */
const openers = {
  /** Address: name or ARN of the bus. */
  bus: async (address, serviceId) => {
    const { EventBridgeClient } = await import("@aws-sdk/client-eventbridge");
    const { eventBridgeTarget } = await import("./event-bridge.ts");
    return eventBridgeTarget(new EventBridgeClient(targetSettings), address, serviceId);
  },
  /** Address: URL. */
  queue: async (address) => sqs(address, "standard"),
  "fifo-queue": async (address) => sqs(address, "fifo"),
  /** Address: ARN. */
  stream: async (address) => {
    const { KinesisClient } = await import("@aws-sdk/client-kinesis");
    const { kinesisTarget } = await import("./kinesis.ts");
    return kinesisTarget(new KinesisClient(targetSettings), address);
  },
  /** Address: name. */
  "delivery-stream": async (address) => {
    const { FirehoseClient } = await import("@aws-sdk/client-firehose");
    const { firehoseTarget } = await import("./firehose.ts");
    return firehoseTarget(new FirehoseClient(targetSettings), address);
  },
} as const satisfies { readonly [kind: string]: Opener };

export type TargetKind = keyof typeof openers;

function isTargetKind(kind: string): kind is TargetKind {
  return Object.hasOwn(openers, kind);
}

/** @throws Fault `not-set-up` for a kind that there is not */
export async function openTarget(kind: string, address: string, serviceId: string): Promise<Target> {
  if (!isTargetKind(kind)) throw new Fault("not-set-up", `no target is called ${kind}`);
  return openers[kind](address, serviceId);
}

async function sqs(queueUrl: string, kind: "standard" | "fifo"): Promise<Target> {
  const { SQSClient } = await import("@aws-sdk/client-sqs");
  const { sqsTarget } = await import("./sqs.ts");
  return sqsTarget(new SQSClient(targetSettings), queueUrl, kind);
}
