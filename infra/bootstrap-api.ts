import { HttpMethod } from "aws-cdk-lib/aws-apigatewayv2";
import { Construct } from "constructs";

import type { BootstrapEnvironment } from "../functions/bootstrap/environment.ts";
import type { Api } from "./api.ts";
import { answerWithin, CapabilityFunction } from "./function.ts";
import type { FunctionSettings } from "./function.ts";
import type { Keys } from "./keys.ts";
import type { Registry } from "./registry.ts";
import type { Throttle } from "./props.ts";
import type { Trust } from "./trust.ts";

export interface BootstrapApiProps {
  readonly serviceId: string;
  readonly keyGeneration: number;
  readonly api: Api;
  readonly keys: Keys;
  readonly registry: Registry;
  readonly trust: Trust;
  readonly code: string;
  readonly settings: FunctionSettings;
  /** For each of the two routes. */
  readonly throttle: Throttle;
}

/** The one TLS connection of a device's life: a credential for a first token, that token for a certificate. */
export class BootstrapApi extends Construct {
  readonly function: CapabilityFunction<BootstrapEnvironment>;

  constructor(scope: Construct, id: string, props: BootstrapApiProps) {
    super(scope, id);
    const { keys, registry, trust } = props;
    this.function = new CapabilityFunction<BootstrapEnvironment>(this, "Function", {
      description: "Sealpost bootstrap: first tokens and certificates",
      code: props.code,
      memorySize: 1024,
      timeout: answerWithin,
      settings: props.settings,
      environment: {
        SERVICE_ID: props.serviceId,
        KEY_GENERATION: String(props.keyGeneration),
        CREDENTIALS_TABLE: registry.credentials.tableName,
        DEVICES_TABLE: registry.devices.tableName,
        TRUST_TABLE: trust.table.tableName,
        JOURNAL_TABLE: registry.journal.tableName,
        FIRST_TOKEN_KEY: keys.firstToken.keyArn,
        ISSUING_CA_KEY: keys.issuingCa.keyArn,
      },
    });
    registry.grantBootstrap(this.function);
    trust.grantRead(this.function);
    keys.firstToken.grant(this.function, "kms:GetPublicKey", "kms:Sign");
    keys.issuingCa.grant(this.function, "kms:GetPublicKey", "kms:Sign");
    props.api.addRoutes(
      this.function.handler,
      [
        { method: HttpMethod.POST, path: "/bootstrap/token" },
        { method: HttpMethod.POST, path: "/bootstrap/certificate" },
      ],
      { throttle: props.throttle },
    );
  }
}
