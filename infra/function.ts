import { Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import { Grant, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { IGrantable } from "aws-cdk-lib/aws-iam";
import { Architecture, Code, Function as LambdaFunction, Runtime } from "aws-cdk-lib/aws-lambda";
import { LogGroup } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";

/**
 * For a function that answers a device after several calls of KMS and DynamoDB in turn: longer than four of them take
 * with every attempt timed out (functions/lambda/clients.ts), and shorter than the 30 seconds that API Gateway waits, so
 * that a slow service ends as the function's own problem and log line.
 */
export const answerWithin = Duration.seconds(25);

/** What all functions of a deployment have in common. */
export interface FunctionSettings {
  readonly logRetentionDays: number;
  /** Whether logs outlive the stack. */
  readonly retain: boolean;
}

export interface CapabilityFunctionProps<Environment extends Readonly<Record<string, string>>> {
  readonly description: string;
  /** A directory with `index.mjs`. */
  readonly code: string;
  /** The type of the function's own `environment.ts`. */
  readonly environment: Environment;
  /** MiB; Lambda gives CPU in proportion. */
  readonly memorySize: number;
  readonly timeout: Duration;
  readonly settings: FunctionSettings;
}

/**
 * A Node function with a role and a log group of its own. The role begins with one permission, to write that log:
 * the managed policy that Lambda would add allows every log group of the account.
 */
export class CapabilityFunction<Environment extends Readonly<Record<string, string>>>
  extends Construct
  implements IGrantable
{
  readonly handler: LambdaFunction;
  readonly role: Role;

  constructor(scope: Construct, id: string, props: CapabilityFunctionProps<Environment>) {
    super(scope, id);
    const logGroup = new LogGroup(this, "Logs", {
      retention: props.settings.logRetentionDays,
      removalPolicy: props.settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    this.role = new Role(this, "Role", {
      assumedBy: new ServicePrincipal("lambda.amazonaws.com"),
      description: `${Stack.of(this).stackName}: ${props.description}`,
    });
    // Not `logGroup.grant`: that names the group without its streams, and events are put into a stream.
    Grant.addToPrincipal({
      grantee: this.role,
      actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
      resourceArns: [logGroup.logGroupArn], // as CloudFormation returns it: `…:log-group:<name>:*`
    });
    this.handler = new LambdaFunction(this, "Handler", {
      description: props.description,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      code: Code.fromAsset(props.code),
      handler: "index.handler",
      memorySize: props.memorySize,
      timeout: props.timeout,
      environment: { ...props.environment },
      role: this.role,
      logGroup,
    });
  }

  get grantPrincipal(): Role {
    return this.role;
  }
}
