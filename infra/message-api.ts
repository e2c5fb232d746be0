import { HttpMethod } from "aws-cdk-lib/aws-apigatewayv2";
import { Construct } from "constructs";

import type { MessagesEnvironment } from "../functions/messages/environment.ts";
import type { Api } from "./api.ts";
import { answerWithin, CapabilityFunction } from "./function.ts";
import type { FunctionSettings } from "./function.ts";
import type { Keys } from "./keys.ts";
import type { Registry } from "./registry.ts";
import type { Throttle } from "./props.ts";
import type { Trust } from "./trust.ts";

export interface MessageApiProps {
  readonly serviceId: string;
  readonly keyGeneration: number;
  readonly api: Api;
  readonly keys: Keys;
  readonly registry: Registry;
  readonly trust: Trust;
  readonly code: string;
  readonly settings: FunctionSettings;
  readonly throttle: Throttle;
}

/** Sealed messages, in both directions, for the rest of a device's life. */
export class MessageApi extends Construct {
  readonly function: CapabilityFunction<MessagesEnvironment>;

  constructor(scope: Construct, id: string, props: MessageApiProps) {
    super(scope, id);
    const { keys, registry, trust } = props;
    this.function = new CapabilityFunction<MessagesEnvironment>(this, "Function", {
      description: "Sealpost messages: opens requests, commits exchanges, seals replies",
      code: props.code,
      memorySize: 1024,
      timeout: answerWithin,
      settings: props.settings,
      environment: {
        SERVICE_ID: props.serviceId,
        KEY_GENERATION: String(props.keyGeneration),
        DEVICES_TABLE: registry.devices.tableName,
        RELEASES_TABLE: registry.releases.tableName,
        TRUST_TABLE: trust.table.tableName,
        JOURNAL_TABLE: registry.journal.tableName,
        MESSAGE_SIGNING_KEY: keys.messageSigning.keyArn,
        MESSAGE_DECRYPTION_KEY: keys.messageDecryption.keyArn,
        RECEIPT_KEY: keys.receipt.keyArn,
        ISSUING_CA_KEY: keys.issuingCa.keyArn,
        SECRETS_KEY: keys.secrets.keyArn,
      },
    });
    registry.grantMessages(this.function);
    trust.grantRead(this.function);
    keys.messageDecryption.grant(this.function, "kms:Decrypt", "kms:GetPublicKey");
    for (const key of [keys.messageSigning, keys.receipt, keys.issuingCa]) {
      key.grant(this.function, "kms:GetPublicKey", "kms:Sign");
    }
    keys.grantUnwrap(this.function);
    props.api.addRoutes(this.function.handler, [{ method: HttpMethod.POST, path: "/messages" }], {
      throttle: props.throttle,
    });
  }
}
