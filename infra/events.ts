import { Duration, RemovalPolicy } from "aws-cdk-lib";
import { Alarm, ComparisonOperator, type Metric, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { EventBus, Rule } from "aws-cdk-lib/aws-events";
import { SqsQueue } from "aws-cdk-lib/aws-events-targets";
import { Grant } from "aws-cdk-lib/aws-iam";
import type { IGrantable } from "aws-cdk-lib/aws-iam";
import { EventSourceMapping, FilterCriteria, FilterRule, StartingPosition } from "aws-cdk-lib/aws-lambda";
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from "aws-cdk-lib/aws-s3";
import { Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";

import type { PublisherEnvironment } from "../functions/publisher/environment.ts";
import type { TargetKind } from "../functions/publisher/targets/target.ts";
import { type EventsTarget, toEventsTarget } from "./events-target.ts";
import { CapabilityFunction } from "./function.ts";
import type { FunctionSettings } from "./function.ts";
import type { Registry } from "./registry.ts";

export interface EventsProps {
  readonly serviceId: string;
  readonly registry: Registry;
  /** Without one, a bus of its own. */
  readonly target: EventsTarget | string | undefined;
  readonly code: string;
  readonly settings: FunctionSettings;
  /** No condition that wants TLS, and a queue for `sealpost events tail`. */
  readonly emulated: boolean;
}

/** What the publisher is told of a target, and what it may do there. */
interface Destination {
  readonly kind: TargetKind;
  readonly address: string;
  readonly grant: (grantee: IGrantable) => void;
}

/** Where Lambda puts what it gives up: it chooses the rest of the name (Lambda Developer Guide, "Retain discarded batches"). */
const discarded = "aws/lambda/*";

/**
 * What happens, and what devices measured, to the operator's own systems: the streams of two tables, a function, one target. What cannot be
 * published is parked in a queue; what the function could not even park, Lambda keeps in a bucket.
 */
export class Events extends Construct {
  readonly function: CapabilityFunction<PublisherEnvironment>;
  /** There unless a target was given. */
  readonly bus: EventBus | undefined;
  readonly parked: Queue;
  readonly failures: Bucket;
  /** In an emulator alone. */
  readonly tail: Queue | undefined;
  /** When events come an hour late: the target, or the function, does not keep up. */
  readonly lateAlarm: Alarm;
  /** When something is parked. */
  readonly parkedAlarm: Alarm;
  /** When the function failed as a whole: it goes on trying, and gives up into the bucket. */
  readonly failedAlarm: Alarm;

  constructor(scope: Construct, id: string, props: EventsProps) {
    super(scope, id);
    const { serviceId, registry, settings, emulated } = props;
    this.parked = this.#queue("Parked", Duration.days(14), settings.retain, emulated);
    this.failures = new Bucket(this, "Failures", {
      encryption: BucketEncryption.S3_MANAGED,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: !emulated,
      lifecycleRules: [{ expiration: Duration.days(90), abortIncompleteMultipartUploadAfter: Duration.days(1) }],
      removalPolicy: settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    this.bus = props.target === undefined ? new EventBus(this, "Bus", { description: "Sealpost events" }) : undefined;
    const destination = this.bus ? ownBus(this.bus) : destinationOf(this, props.target);
    this.function = new CapabilityFunction<PublisherEnvironment>(this, "Function", {
      description: "Sealpost publisher: what happens and what devices measured, to one target",
      code: props.code,
      memorySize: 512,
      timeout: Duration.minutes(1),
      settings,
      environment: {
        SERVICE_ID: serviceId,
        TARGET_KIND: destination.kind,
        TARGET_ADDRESS: destination.address,
        PARKED_QUEUE: this.parked.queueUrl,
        JOURNAL_TABLE: registry.journal.tableName,
      },
    });
    destination.grant(this.function);
    registry.grantPublisher(this.function);
    grantOn(this.function, this.parked.queueArn, "sqs:DeleteMessage", "sqs:ReceiveMessage", "sqs:SendMessage");
    grantOn(this.function, this.failures.bucketArn, "s3:ListBucket");
    grantOn(this.function, this.failures.arnForObjects(discarded), "s3:PutObject");

    this.#publish("Devices", registry.devices.tableStreamArn, {
      Keys: { item: { S: FilterRule.isEqual("window") } },
      NewImage: { readings: { B: FilterRule.exists() } },
    });
    this.#publish("Journal", registry.journal.tableStreamArn, { NewImage: { action: { S: FilterRule.exists() } } });

    this.lateAlarm = this.#alarm(
      "Late",
      "Sealpost events come an hour late. They are kept for a day: the target, or the publisher, does not keep up.",
      this.function.handler.metric("IteratorAge", { period: Duration.minutes(5), statistic: "Maximum" }),
      Duration.hours(1).toMilliseconds(),
    );
    this.parkedAlarm = this.#alarm(
      "SomethingParked",
      "Sealpost events could not be published and are parked for 14 days: mend the target, then run `sealpost events redrive`.",
      this.parked.metricApproximateNumberOfMessagesVisible({ period: Duration.minutes(5), statistic: "Maximum" }),
      1,
    );
    this.failedAlarm = this.#alarm(
      "Failed",
      "The Sealpost publisher could neither publish nor park. It goes on trying for 12 hours; what it gives up is in the bucket of failures.",
      this.function.handler.metricErrors({ period: Duration.minutes(5), statistic: "Sum" }),
      1,
    );

    if (emulated && this.bus) {
      this.tail = this.#queue("Tail", Duration.hours(1), false, emulated);
      new Rule(this, "TailRule", {
        description: "Sealpost events, for sealpost events tail",
        eventBus: this.bus,
        eventPattern: { source: [`sealpost.${serviceId}`] },
        targets: [new SqsQueue(this.tail)],
      });
    }
  }

  /** To have what is parked, and the journal, published again. */
  grantRepublish(grantee: IGrantable): void {
    grantOn(grantee, this.function.handler.functionArn, "lambda:InvokeFunction");
    grantOn(grantee, this.parked.queueArn, "sqs:GetQueueAttributes");
  }

  /** To read what comes, where there is a queue for it. */
  grantTail(grantee: IGrantable): void {
    if (this.tail) grantOn(grantee, this.tail.queueArn, "sqs:DeleteMessage", "sqs:ReceiveMessage");
  }

  #queue(id: string, retentionPeriod: Duration, retain: boolean, emulated: boolean): Queue {
    return new Queue(this, id, {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: !emulated,
      retentionPeriod,
      visibilityTimeout: Duration.minutes(2), // longer than the publisher runs
      removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
  }

  /** Changes of one table, from the first that the stream still has. */
  #publish(id: string, streamArn: string | undefined, dynamodb: object): void {
    if (streamArn === undefined) throw new Error(`${this.node.path}: the table ${id} has no stream`);
    new EventSourceMapping(this, id, {
      target: this.function.handler,
      eventSourceArn: streamArn,
      startingPosition: StartingPosition.TRIM_HORIZON,
      batchSize: 100,
      filters: [FilterCriteria.filter({ dynamodb })],
      bisectBatchOnError: true,
      retryAttempts: 100,
      maxRecordAge: Duration.hours(12),
      supportS3OnFailureDestination: true,
      onFailure: { bind: () => ({ destination: this.failures.bucketArn }) },
    });
  }

  #alarm(id: string, alarmDescription: string, metric: Metric, threshold: number): Alarm {
    return new Alarm(this, id, {
      alarmDescription,
      metric,
      threshold,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
  }
}

function ownBus(bus: EventBus): Destination {
  return { kind: "bus", address: bus.eventBusName, grant: (to) => grantOn(to, bus.eventBusArn, "events:PutEvents") };
}

function destinationOf(scope: Construct, given: EventsTarget | string | undefined): Destination {
  if (given === undefined) throw new Error("no target");
  const target = toEventsTarget(scope, given);
  if ("bus" in target) {
    const { eventBusArn } = target.bus; // by its ARN it may be of another account
    return { kind: "bus", address: eventBusArn, grant: (to) => grantOn(to, eventBusArn, "events:PutEvents") };
  }
  if ("queue" in target) {
    const { queue } = target;
    return {
      kind: queue.fifo ? "fifo-queue" : "queue",
      address: queue.queueUrl,
      grant: (to) => {
        grantOn(to, queue.queueArn, "sqs:SendMessage");
        queue.encryptionMasterKey?.grant(to, "kms:Decrypt", "kms:GenerateDataKey");
      },
    };
  }
  if ("stream" in target) {
    const { stream } = target;
    return {
      kind: "stream",
      address: stream.streamArn,
      grant: (to) => {
        grantOn(to, stream.streamArn, "kinesis:PutRecords");
        stream.encryptionKey?.grant(to, "kms:GenerateDataKey");
      },
    };
  }
  const { deliveryStream } = target;
  return {
    kind: "delivery-stream",
    address: deliveryStream.deliveryStreamName,
    grant: (to) => grantOn(to, deliveryStream.deliveryStreamArn, "firehose:PutRecordBatch"),
  };
}

function grantOn(grantee: IGrantable, arn: string, ...actions: string[]): void {
  Grant.addToPrincipal({ grantee, actions, resourceArns: [arn] });
}
