import { ArnFormat, RemovalPolicy, Stack } from "aws-cdk-lib";
import { CfnStage, HttpApi, HttpRoute, HttpRouteKey } from "aws-cdk-lib/aws-apigatewayv2";
import type { HttpMethod, IHttpRouteAuthorizer } from "aws-cdk-lib/aws-apigatewayv2";
import { HttpLambdaIntegration } from "aws-cdk-lib/aws-apigatewayv2-integrations";
import type { Function as LambdaFunction } from "aws-cdk-lib/aws-lambda";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";

import type { Throttle } from "./props.ts";

export interface ApiProps {
  readonly logRetentionDays: number;
  /** Whether the access log outlives the stack. */
  readonly retain: boolean;
}

export interface RouteOptions {
  readonly authorizer?: IHttpRouteAuthorizer;
  /** For each of the routes by itself that has none of its own. */
  readonly throttle?: Throttle;
}

export interface Route {
  readonly method: HttpMethod;
  readonly path: string;
  readonly throttle?: Throttle;
}

/** What is written of a request: the route, not the path (it holds device ids), and neither query nor body. */
const accessLogFields = {
  requestId: "$context.requestId",
  time: "$context.requestTime",
  ip: "$context.identity.sourceIp",
  route: "$context.routeKey",
  status: "$context.status",
  bytes: "$context.responseLength",
  latency: "$context.responseLatency",
  integrationStatus: "$context.integrationStatus",
} as const;

/** The one HTTP API of the service and its `$default` stage; the capabilities add their routes. */
export class Api extends Construct {
  readonly httpApi: HttpApi;
  readonly #stage: CfnStage;
  /** By route key, spelt as CloudFormation has it: the CDK passes this property through as it is. */
  readonly #throttles: Record<string, { ThrottlingRateLimit: number; ThrottlingBurstLimit: number }> = {};

  constructor(scope: Construct, id: string, props: ApiProps) {
    super(scope, id);
    this.httpApi = new HttpApi(this, "HttpApi", { createDefaultStage: false });
    const accessLog = new LogGroup(this, "AccessLog", {
      retention: props.logRetentionDays,
      removalPolicy: props.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    // The L2 stage throttles all routes alike; `RouteSettings` is the L1's.
    this.#stage = new CfnStage(this, "Stage", {
      apiId: this.httpApi.apiId,
      stageName: "$default",
      autoDeploy: true,
      accessLogSettings: {
        destinationArn: Stack.of(this).formatArn({
          service: "logs",
          resource: "log-group",
          resourceName: accessLog.logGroupName, // without the `:*` that CloudFormation's own attribute ends in
          arnFormat: ArnFormat.COLON_RESOURCE_NAME,
        }),
        format: JSON.stringify(accessLogFields),
      },
    });
  }

  /** Adds routes that one function answers. It may be called by this API alone. */
  addRoutes(handler: LambdaFunction, routes: readonly Route[], options: RouteOptions = {}): void {
    const integration = new HttpLambdaIntegration("Integration", handler, {
      scopePermissionToRoute: false,
    });
    for (const { method, path, throttle = options.throttle } of routes) {
      const routeKey = HttpRouteKey.with(path, method);
      const route = new HttpRoute(this, routeKey.key, {
        httpApi: this.httpApi,
        routeKey,
        integration,
        ...(options.authorizer && { authorizer: options.authorizer }),
      });
      if (throttle) {
        this.#throttles[routeKey.key] = {
          ThrottlingRateLimit: throttle.rate,
          ThrottlingBurstLimit: throttle.burst,
        };
        this.#stage.routeSettings = this.#throttles;
        this.#stage.node.addDependency(route); // a stage may only name routes that exist
      }
    }
  }

  /** The ARN that `execute-api:Invoke` is granted on; a path parameter stands for any one value. */
  routeArn(method: HttpMethod, path: string): string {
    return this.httpApi.arnForExecuteApi(method, path.replaceAll(/\{[^}]+\}/g, "*"), "$default");
  }
}
