import { problemMediaType } from "@sealpost/protocol/messages/problems.ts";
import type { Act, Duty } from "@sealpost/protocol/operator/act.ts";
import {
  type ActName,
  type PathOf,
  type QueryTextOf,
  type ReplyOf,
  type RequestOf,
  acts,
} from "@sealpost/protocol/operator/acts.ts";
import * as z from "zod/mini";

import { awsFault, missingPolicy, unreachableFault } from "./aws-access.ts";
import { OperatorFault, type OperatorFaultCode } from "./fault.ts";
import { type Response, sendSigned } from "./signed-request.ts";
import type { PolicyOutput, Stack } from "./stack.ts";

/** What an act is asked with: the parts that its row has. */
export type Input<Name extends ActName> = Part<"path", PathOf<Name>> &
  Part<"query", QueryTextOf<Name>> &
  Part<"request", RequestOf<Name>>;
type Part<Key extends string, T> = T extends undefined
  ? unknown
  : keyof T extends never
    ? unknown
    : { readonly [K in Key]: T };

const problemSchema = z.object({
  code: z.string(),
  title: z.string(),
  detail: z.optional(z.string()),
  field: z.optional(z.string()),
  /** Of a credential that was spent. */
  deviceId: z.optional(z.string()),
});

/** Connection errors that TLS makes when the CA in the stack file is not the server's. */
const tlsError = /CERT|SELF_SIGNED|UNABLE_TO|EPROTO|ERR_SSL|ERR_TLS/u;

export type Service = {
  /**
   * Asks the service for one act.
   * @throws OperatorFault
   */
  ask<Name extends ActName>(name: Name, input: Input<Name>): Promise<ReplyOf<Name>>;
};

export function openService(stack: Stack): Service {
  return {
    async ask(name, input) {
      const act: Act = acts[name];
      const asked = requestOf(act, input as Sent);
      let response: Response;
      try {
        response = await sendSigned({ ...asked, baseUrl: stack.operatorUrl }, stack.access);
      } catch (error) {
        throw connectionFault(error, asked, policyOf(act), stack);
      }
      if (response.status !== 200) throw responseFault(response, asked, policyOf(act), stack);
      return parseReply(name, response, asked);
    },
  };
}

function requestOf({ method, path }: Act, { path: ids = {}, query = {}, request }: Sent) {
  return {
    method,
    path: path.replaceAll(/\{(\w+)\}/gu, (_, name: string) => encodeURIComponent(ids[name] ?? "")),
    query: Object.fromEntries(
      Object.entries(query).flatMap(([member, text]) => (text === undefined ? [] : [[member, text]])),
    ),
    ...(request === undefined ? {} : { body: JSON.stringify(request) }),
  };
}

type Texts = { readonly [name: string]: string | undefined };
type Sent = { readonly path?: Texts; readonly query?: Texts; readonly request?: unknown };

function parseReply<Name extends ActName>(name: Name, { body }: Response, { method, path }: Asked): ReplyOf<Name> {
  const { reply }: Act = acts[name];
  const parsed = reply.safeParse(jsonOf(body));
  if (parsed.success) return parsed.data as ReplyOf<Name>;
  const member = parsed.error.issues[0]?.path.join(".") ?? "";
  throw new OperatorFault(
    "fault",
    `The service's answer to ${method} ${path} does not fit at ${member || "its root"}.`,
    "use the CLI of the version that is deployed",
  );
}

const policies = {
  enrolling: "EnrollingPolicyArn",
  revoking: "RevokingPolicyArn",
  commanding: "CommandingPolicyArn",
  publishing: "PublishingPolicyArn",
  releasing: "ReleasingPolicyArn",
  root: "RootPolicyArn",
  reading: "ReadingPolicyArn",
} as const satisfies Record<Duty, PolicyOutput>;

/** The policy to name to whoever may not. */
function policyOf({ duties: [duty] }: Act): PolicyOutput {
  return policies[duty];
}

type Asked = { readonly method: string; readonly path: string };

function connectionFault(error: unknown, { method, path }: Asked, policy: PolicyOutput, stack: Stack): OperatorFault {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (tlsError.test(code)) {
    return unreachableFault(
      `The server at ${new URL(stack.operatorUrl).host} is not the one of ${stack.path} (${code}).`,
      stack.access,
      error,
    );
  }
  return awsFault(error, `reach ${new URL(stack.operatorUrl).host} for ${method} ${path}`, policy, stack);
}

function responseFault(
  { status, type, body }: Response,
  { method, path }: Asked,
  policy: PolicyOutput,
  stack: Stack,
): OperatorFault {
  const problem = problemSchema.safeParse(type.startsWith(problemMediaType) ? jsonOf(body) : undefined);
  if (problem.success) {
    const { code, title, detail, field, deviceId } = problem.data;
    const usual =
      deviceId === undefined ? "correct the request and run the command again" : `sealpost device revoke ${deviceId}`;
    const [faultCode, next] = nextSteps[code] ?? ["refused", usual];
    const at = field === undefined ? "" : ` (${field})`;
    return new OperatorFault(faultCode, `${title}${detail === undefined ? "" : ` ${detail}`}${at}`, next);
  }
  const what = `${method} ${path}`;
  if (status === 401 || status === 403) {
    return missingPolicy(
      `AWS did not allow ${what}: the credentials in use are unknown, expired or lack the permission.`,
      policy,
      stack,
    );
  }
  if (status === 429)
    return new OperatorFault(
      "unavailable",
      `The service is busy: it did not take ${what}.`,
      "run the command again in a moment",
    );
  if (status >= 500) {
    return new OperatorFault(
      "unavailable",
      `The service failed on ${what} with status ${status}.`,
      "run the command again; if it stays so, read the log of the operator function",
    );
  }
  return new OperatorFault(
    "not-set-up",
    `The server at ${new URL(stack.operatorUrl).host} does not know ${what} (status ${status}).`,
    "compare the stack file with what is deployed",
  );
}

const nextSteps: { readonly [code: string]: readonly [OperatorFaultCode, string] } = {
  "not-trusted-yet": ["not-set-up", "publish the first trust document: `sealpost trust publish`"],
  "not-found": ["refused", "list what there is: `sealpost device list`, `sealpost credential list`"],
  unavailable: ["unavailable", "run the command again; if it stays so, read the log of the operator function"],
  throttled: ["unavailable", "run the command again in a moment"],
};

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
