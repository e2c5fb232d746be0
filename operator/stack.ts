import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

import * as z from "zod/mini";

import { OperatorFault } from "./fault.ts";
import { isLoopback } from "@sealpost/protocol/loopback.ts";

const arn = z.string().check(z.startsWith("arn:"));

/** The outputs of the stack that operators need; the stack has more. */
const outputsSchema = z.object({
  ServiceId: z.string(),
  Region: z.string(),
  ApiUrl: z.url(),
  MessagePlaneUrl: z.url(),
  FirmwareBucket: z.string(),
  RootKeyId: arn,
  IssuingCaKeyId: arn,
  KeySetKeyId: arn,
  ReceiptKeyId: arn,
  ReleaseKeyId: arn,
  SecretsKeyId: arn,
  EnrollingPolicyArn: arn,
  RevokingPolicyArn: arn,
  CommandingPolicyArn: arn,
  PublishingPolicyArn: arn,
  ReleasingPolicyArn: arn,
  RootPolicyArn: arn,
  ReadingPolicyArn: arn,
  PublisherFunctionName: z.string(),
  ParkedQueueUrl: z.url(),
  /** Of a local stack alone. */
  EventsTailQueueUrl: z.optional(z.url()),
});
export type Outputs = z.infer<typeof outputsSchema>;
/** The outputs that name the policies of an operator's duties. */
export type PolicyOutput = Extract<keyof Outputs, `${string}PolicyArn`>;

const localSchema = z.object({
  stage: z.literal("local"),
  outputs: outputsSchema,
  operatorUrl: z.url(),
  bootstrapUrl: z.url({ protocol: /^https$/ }),
  messageUrl: z.url(),
  ca: z.string(),
  endpoint: z.url(),
  region: z.string(),
  credentials: z.object({ accessKeyId: z.string(), secretAccessKey: z.string() }),
  pid: z.int(),
});
const cdkOutputsSchema = z.record(z.string(), z.record(z.string(), z.unknown()));

/** How AWS, or what stands in for it, is reached. `local` has everything; otherwise the AWS SDK finds the operator's credentials. */
export type Access = {
  readonly region: string;
  readonly local?: {
    readonly endpoint: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
    /** PEM. */
    readonly ca: string;
  };
};

export type Stack = {
  readonly path: string;
  readonly outputs: Outputs;
  readonly operatorUrl: string;
  readonly bootstrapUrl: string;
  readonly messageUrl: string;
  readonly access: Access;
};

/**
 * Reads the stack that a command is about.
 * @param path `.local/stack.json` or a CDK outputs file; without one, `SEALPOST_STACK`, then the nearest `.local/stack.json` upward
 * @throws OperatorFault
 */
export function readStack(
  path: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = process.env,
  directory: string = process.cwd(),
): Stack {
  const found = path ?? (environment["SEALPOST_STACK"] || nearest(directory));
  if (found === undefined) {
    throw new OperatorFault(
      "not-set-up",
      `There is no stack to work on: no --stack, no SEALPOST_STACK, and no .local/stack.json in ${directory} or above.`,
      "start the local one with `npm run up`, or name the file that `cdk deploy --outputs-file` wrote: --stack outputs.json",
    );
  }
  const json = readJson(resolve(directory, found));
  const isLocal = typeof json === "object" && json !== null && "stage" in json;
  return isLocal ? localStack(found, json) : deployedStack(found, json);
}

function nearest(directory: string): string | undefined {
  const candidate = join(directory, ".local", "stack.json");
  if (existsSync(candidate)) return candidate;
  const parent = dirname(directory);
  return parent === directory ? undefined : nearest(parent);
}

function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new OperatorFault(
      "not-set-up",
      `The stack file ${path} cannot be read (${reasonOf(cause)}).`,
      "check --stack and SEALPOST_STACK; `npm run up` writes .local/stack.json, `cdk deploy --outputs-file` the other kind",
      { cause },
    );
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OperatorFault(
      "not-set-up",
      `The stack file ${path} is not JSON.`,
      "write it again: `npm run up`, or `cdk deploy --outputs-file`",
      {
        cause,
      },
    );
  }
}

/** The emulator's credentials go to this machine and nowhere else, and no others go to the emulator. */
function localStack(path: string, json: unknown): Stack {
  const read = localSchema.safeParse(json);
  if (!read.success) throw unfit(path, read.error);
  const { outputs, operatorUrl, bootstrapUrl, messageUrl, ca, endpoint, region, credentials, pid } = read.data;
  for (const url of [endpoint, operatorUrl, bootstrapUrl, messageUrl]) {
    if (!isLoopback(new URL(url).hostname)) {
      throw new OperatorFault(
        "usage",
        `The local stack file ${path} names ${new URL(url).host}, which is not this machine; a local stack never leaves it.`,
        "write the file again with `npm run up`; for a stack on AWS, use the file of `cdk deploy --outputs-file`",
      );
    }
  }
  if (!isRunning(pid)) {
    throw new OperatorFault("not-set-up", `The local stack of ${path} has ended.`, "start it again: `npm run up`");
  }
  return {
    path,
    outputs,
    operatorUrl,
    bootstrapUrl,
    messageUrl,
    access: { region, local: { endpoint, credentials, ca } },
  };
}

function deployedStack(path: string, json: unknown): Stack {
  const file = cdkOutputsSchema.safeParse(json);
  const stacks = Object.entries(file.success ? file.data : {}).filter(([, outputs]) => "RootKeyId" in outputs);
  const [stack, ...others] = stacks;
  if (!stack || others.length > 0) {
    throw new OperatorFault(
      "usage",
      `The file ${path} holds ${stack ? "several Sealpost stacks" : "no Sealpost stack"}, and a command works on one.`,
      "name the file that `cdk deploy Sealpost-<stage> --outputs-file` wrote, or the .local/stack.json of `npm run up`",
    );
  }
  const read = outputsSchema.safeParse(stack[1]);
  if (!read.success) throw unfit(path, read.error);
  const { ApiUrl, MessagePlaneUrl, Region } = read.data;
  const api = new URL(ApiUrl);
  if (stack[0] === "Sealpost-local" || isLoopback(api.hostname) || api.protocol !== "https:") {
    throw new OperatorFault(
      "usage",
      `The file ${path} holds the outputs of a stack that is not on AWS, and your AWS credentials are for AWS alone.`,
      "for the local stack, use the .local/stack.json of `npm run up`",
    );
  }
  return {
    path,
    outputs: read.data,
    operatorUrl: ApiUrl,
    bootstrapUrl: `${ApiUrl.replace(/\/$/u, "")}/bootstrap`,
    messageUrl: MessagePlaneUrl,
    access: { region: Region },
  };
}

function unfit(path: string, error: z.core.$ZodError): OperatorFault {
  const member = error.issues[0]?.path.join(".") ?? "";
  return new OperatorFault(
    "not-set-up",
    `The stack file ${path} lacks ${member}, or it is of another kind; the file may be from another version.`,
    "write it again: `npm run up`, or `cdk deploy --outputs-file`",
  );
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return reasonOf(error) === "EPERM";
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown reason";
}
