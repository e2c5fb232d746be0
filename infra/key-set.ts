import { Duration } from "aws-cdk-lib";
import { Alarm, ComparisonOperator, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { HttpMethod } from "aws-cdk-lib/aws-apigatewayv2";
import { Rule, Schedule } from "aws-cdk-lib/aws-events";
import { LambdaFunction as LambdaTarget } from "aws-cdk-lib/aws-events-targets";
import { Trigger } from "aws-cdk-lib/triggers";
import { Construct } from "constructs";

import type { KeySetReadEnvironment, KeySetSignEnvironment } from "../functions/key-set/environment.ts";
import type { Api } from "./api.ts";
import { type CustodySettings, custodyEnvironment, usesInKms, usesOfNewEpochs } from "./custody.ts";
import type { Epochs } from "./epochs.ts";
import { CapabilityFunction } from "./function.ts";
import type { FunctionSettings } from "./function.ts";
import type { Keys } from "./keys.ts";
import type { Trust } from "./trust.ts";

export interface KeySetProps {
  readonly serviceId: string;
  readonly keyGeneration: number;
  readonly custody: CustodySettings;
  readonly api: Api;
  readonly keys: Keys;
  readonly epochs: Epochs;
  readonly trust: Trust;
  readonly code: { readonly sign: string; readonly read: string };
  readonly settings: FunctionSettings;
}

/**
 * The server's present message keys, signed. Signing and serving are two functions, so that the one which answers
 * the public has no key. It is signed with each deployment that changes it, and every hour before it can expire; the
 * same step begins and ends the epochs of keys that change.
 */
export class KeySet extends Construct {
  readonly signFunction: CapabilityFunction<KeySetSignEnvironment>;
  readonly readFunction: CapabilityFunction<KeySetReadEnvironment>;
  /** When the set could not be signed, or a new epoch of keys was due and could not be made: the present keys serve on. */
  readonly alarm: Alarm;

  constructor(scope: Construct, id: string, props: KeySetProps) {
    super(scope, id);
    const { keys, trust, epochs, custody } = props;
    this.signFunction = new CapabilityFunction<KeySetSignEnvironment>(this, "SignFunction", {
      description: "Sealpost key set: signs the present message keys",
      code: props.code.sign,
      memorySize: 512,
      timeout: Duration.seconds(30),
      settings: props.settings,
      environment: {
        SERVICE_ID: props.serviceId,
        KEY_GENERATION: String(props.keyGeneration),
        TRUST_TABLE: trust.table.tableName,
        EPOCHS_TABLE: epochs.table.tableName,
        KEY_SET_KEY: keys.keySet.keyArn,
        MESSAGE_SIGNING_KEY: keys.messageSigning.keyArn,
        MESSAGE_DECRYPTION_KEY: keys.messageDecryption.keyArn,
        EPOCH_KEY: epochs.key.keyArn,
        ...custodyEnvironment(custody),
        SIGNING_EPOCH_DAYS: String(custody.signingEpochDays),
        DECRYPTION_EPOCH_DAYS: String(custody.decryptionEpochDays),
      },
    });
    trust.grantReplace(this.signFunction);
    epochs.grantRotate(this.signFunction);
    keys.keySet.grant(this.signFunction, "kms:GetPublicKey", "kms:Sign");
    for (const use of usesInKms(custody)) keys.messageKey(use).grant(this.signFunction, "kms:GetPublicKey");
    const made = usesOfNewEpochs(custody);
    if (made.length > 0) epochs.grantMake(this.signFunction, made);

    // A new key is a new environment, so a new version of the function, and that is what sets the trigger off.
    new Trigger(this, "SignAtDeploy", {
      handler: this.signFunction.handler,
      timeout: Duration.minutes(1),
    });
    new Rule(this, "SignHourly", {
      description: "Signs the Sealpost key set again, long before it expires",
      schedule: Schedule.rate(Duration.hours(1)),
      targets: [new LambdaTarget(this.signFunction.handler)],
    });

    this.alarm = new Alarm(this, "NotSigned", {
      alarmDescription:
        "The Sealpost key set was not signed, or the next message key could not be made. The present ones serve on: a set for a week, a key without end.",
      metric: this.signFunction.handler.metricErrors({ period: Duration.hours(1), statistic: "Sum" }),
      threshold: 1,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });

    this.readFunction = new CapabilityFunction<KeySetReadEnvironment>(this, "ReadFunction", {
      description: "Sealpost key set: serves what was signed",
      code: props.code.read,
      memorySize: 512,
      timeout: Duration.seconds(5),
      settings: props.settings,
      environment: { TRUST_TABLE: trust.table.tableName },
    });
    trust.grantRead(this.readFunction);
    props.api.addRoutes(this.readFunction.handler, [{ method: HttpMethod.GET, path: "/keys" }]);
  }
}
