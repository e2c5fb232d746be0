import { Duration } from "aws-cdk-lib";
import { HttpMethod } from "aws-cdk-lib/aws-apigatewayv2";
import { HttpIamAuthorizer } from "aws-cdk-lib/aws-apigatewayv2-authorizers";
import { Grant } from "aws-cdk-lib/aws-iam";
import type { IGrantable } from "aws-cdk-lib/aws-iam";
import { Construct } from "constructs";

import type { Duty } from "@sealpost/protocol/operator/act.ts";
import { acts, actsOf } from "@sealpost/protocol/operator/acts.ts";

import type { OperatorEnvironment } from "../functions/operator/environment.ts";
import type { Api } from "./api.ts";
import { CapabilityFunction } from "./function.ts";
import type { FunctionSettings } from "./function.ts";
import type { Registry } from "./registry.ts";
import type { Trust } from "./trust.ts";

export interface OperatorApiProps {
  readonly serviceId: string;
  readonly keyGeneration: number;
  readonly api: Api;
  readonly registry: Registry;
  readonly trust: Trust;
  readonly code: string;
  readonly settings: FunctionSettings;
}

/** What operators do to the service, each act a route of its own that IAM allows or denies. */
export class OperatorApi extends Construct {
  readonly function: CapabilityFunction<OperatorEnvironment>;
  readonly #api: Api;

  constructor(scope: Construct, id: string, props: OperatorApiProps) {
    super(scope, id);
    const { registry, trust } = props;
    this.#api = props.api;
    this.function = new CapabilityFunction<OperatorEnvironment>(this, "Function", {
      description: "Sealpost operators: credentials, devices, releases, trust, audit",
      code: props.code,
      memorySize: 512,
      timeout: Duration.seconds(15),
      settings: props.settings,
      environment: {
        SERVICE_ID: props.serviceId,
        KEY_GENERATION: String(props.keyGeneration),
        CREDENTIALS_TABLE: registry.credentials.tableName,
        DEVICES_TABLE: registry.devices.tableName,
        RELEASES_TABLE: registry.releases.tableName,
        TRUST_TABLE: trust.table.tableName,
        JOURNAL_TABLE: registry.journal.tableName,
      },
    });
    registry.grantOperator(this.function);
    trust.grantReplace(this.function);
    const routes = Object.values(acts).map(({ method, path }) => ({ method: HttpMethod[method], path }));
    props.api.addRoutes(this.function.handler, routes, { authorizer: new HttpIamAuthorizer() });
  }

  /** Every act of a duty. */
  grantDuty(grantee: IGrantable, duty: Duty): void {
    const allowed = actsOf(duty);
    if (allowed.length === 0) return;
    Grant.addToPrincipal({
      grantee,
      actions: ["execute-api:Invoke"],
      resourceArns: allowed.map(({ method, path }) => this.#api.routeArn(HttpMethod[method], path)),
    });
  }
}
