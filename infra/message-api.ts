import { limits } from "@sealpost/protocol/limits.ts";
import { HttpMethod } from "aws-cdk-lib/aws-apigatewayv2";
import { Construct } from "constructs";

import type { MessagesEnvironment } from "../functions/messages/environment.ts";
import type { Api } from "./api.ts";
import { type CustodySettings, custodyEnvironment, usesInEpochs, usesInKms } from "./custody.ts";
import type { Epochs } from "./epochs.ts";
import { answerWithin, CapabilityFunction } from "./function.ts";
import type { FunctionSettings } from "./function.ts";
import type { Keys } from "./keys.ts";
import type { Registry } from "./registry.ts";
import type { Throttle } from "./props.ts";
import type { Trust } from "./trust.ts";

export interface MessageApiProps {
  readonly serviceId: string;
  readonly keyGeneration: number;
  readonly custody: CustodySettings;
  readonly api: Api;
  readonly keys: Keys;
  readonly epochs: Epochs;
  readonly registry: Registry;
  readonly trust: Trust;
  readonly code: string;
  readonly settings: FunctionSettings;
  readonly throttle: Throttle;
}

const messageKeyActions = { signing: "kms:Sign", decryption: "kms:Decrypt" } as const;

/** Sealed messages, in both directions, for the rest of a device's life. */
export class MessageApi extends Construct {
  readonly function: CapabilityFunction<MessagesEnvironment>;

  constructor(scope: Construct, id: string, props: MessageApiProps) {
    super(scope, id);
    const { keys, registry, trust, epochs, custody } = props;
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
        EPOCHS_TABLE: epochs.table.tableName,
        MESSAGE_SIGNING_KEY: keys.messageSigning.keyArn,
        MESSAGE_DECRYPTION_KEY: keys.messageDecryption.keyArn,
        EPOCH_KEY: epochs.key.keyArn,
        ...custodyEnvironment(custody),
        RECEIPT_KEY: keys.receipt.keyArn,
        ISSUING_CA_KEY: keys.issuingCa.keyArn,
        SECRETS_KEY: keys.secrets.keyArn,
      },
    });
    registry.grantMessages(this.function);
    trust.grantRead(this.function);
    for (const use of usesInKms(custody)) {
      keys.messageKey(use).grant(this.function, messageKeyActions[use], "kms:GetPublicKey");
    }
    for (const key of [keys.receipt, keys.issuingCa]) key.grant(this.function, "kms:GetPublicKey", "kms:Sign");
    const inEpochs = usesInEpochs(custody);
    if (inEpochs.length > 0) epochs.grantUse(this.function, inEpochs);
    epochs.denyUnwrappingToAllBut(this.function.role);
    keys.grantUnwrap(this.function);
    const throttles = { "/messages": props.throttle, "/batches": inBatches(props.throttle) };
    const routes = Object.entries(throttles).map(([path, throttle]) => ({ method: HttpMethod.POST, path, throttle }));
    props.api.addRoutes(this.function.handler, routes);
  }
}

/** As many messages as come one by one, in full batches: each of them costs what a message costs. */
function inBatches({ rate, burst }: Throttle): Throttle {
  const batches = (messages: number) => Math.max(1, Math.ceil(messages / limits.batch.tokens));
  return { rate: batches(rate), burst: batches(burst) };
}
