import * as api from "@sealpost/protocol/operator/api.ts";
import { problemMediaType } from "@sealpost/protocol/messages/problems.ts";
import * as z from "zod/mini";

import { awsFault, missingPolicy, unreachableFault } from "./aws-access.ts";
import { OperatorFault, type OperatorFaultCode } from "./fault.ts";
import { type Response, type SignedRequest, sendSigned } from "./signed-request.ts";
import type { PolicyOutput, Stack } from "./stack.ts";

/** A route's request, the shape of its answer, and the policy that allows it. */
type Exchange<T> = {
  readonly request: Omit<SignedRequest, "baseUrl" | "body"> & { readonly body?: object };
  readonly reply: z.ZodMiniType<T>;
  readonly policy: PolicyOutput;
};

export type PageOptions = { readonly limit: number; readonly cursor: string | undefined };

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

/** The operator routes as functions. Every one of them throws OperatorFault. */
export function openService(stack: Stack) {
  const call = async <T>({ request, reply, policy }: Exchange<T>): Promise<T> => {
    const { body, ...rest } = request;
    const signed = { ...rest, baseUrl: stack.operatorUrl, ...(body ? { body: JSON.stringify(body) } : {}) };
    let response: Response;
    try {
      response = await sendSigned(signed, stack.access);
    } catch (error) {
      throw connectionFault(error, request, policy, stack);
    }
    if (response.status !== 200) throw responseFault(response, request, policy, stack);
    const parsed = reply.safeParse(jsonOf(response.body));
    if (parsed.success) return parsed.data;
    const member = parsed.error.issues[0]?.path.join(".") ?? "";
    throw new OperatorFault(
      "fault",
      `The service's answer to ${request.method} ${request.path} does not fit at ${member || "its root"}.`,
      "use the CLI of the version that is deployed",
    );
  };
  const get = (path: string, query: { readonly [name: string]: string | undefined } = {}) => ({
    method: "GET" as const,
    path,
    query: Object.fromEntries(
      Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ),
  });
  const post = (path: string, body?: object) => ({ method: "POST" as const, path, ...(body ? { body } : {}) });
  const pageOf = ({ limit, cursor }: PageOptions) => ({ limit: String(limit), cursor });

  return {
    showTrust: () =>
      call({ request: get("/operator/trust"), reply: api.showTrustReplySchema, policy: "RootPolicyArn" }),
    publishTrust: (document: readonly string[]) =>
      call({ request: post("/operator/trust", { document }), reply: api.trustReplySchema, policy: "RootPolicyArn" }),
    createCredential: (body: api.CreateCredentialRequest) =>
      call({
        request: post("/operator/credentials", body),
        reply: api.createCredentialReplySchema,
        policy: "EnrollingPolicyArn",
      }),
    listCredentials: (page: PageOptions) =>
      call({
        request: get("/operator/credentials", pageOf(page)),
        reply: api.listCredentialsReplySchema,
        policy: "ReadingPolicyArn",
      }),
    revokeCredential: (credentialId: string) =>
      call({
        request: post(`/operator/credentials/${credentialId}/revoke`),
        reply: api.credentialReplySchema,
        policy: "RevokingPolicyArn",
      }),
    listDevices: (page: PageOptions, status?: string) =>
      call({
        request: get("/operator/devices", { ...pageOf(page), status }),
        reply: api.listDevicesReplySchema,
        policy: "ReadingPolicyArn",
      }),
    showDevice: (deviceId: string) =>
      call({
        request: get(`/operator/devices/${deviceId}`),
        reply: api.deviceDetailReplySchema,
        policy: "ReadingPolicyArn",
      }),
    revokeDevice: (deviceId: string) =>
      call({
        request: post(`/operator/devices/${deviceId}/revoke`),
        reply: api.deviceReplySchema,
        policy: "RevokingPolicyArn",
      }),
    listReleases: (page: PageOptions, of: { readonly model?: string; readonly hardware?: string } = {}) =>
      call({
        request: get("/operator/releases", { ...pageOf(page), ...of }),
        reply: api.listReleasesReplySchema,
        policy: "ReleasingPolicyArn",
      }),
    publishRelease: (body: { readonly manifest: readonly string[]; readonly wrappedKey: string }) =>
      call({ request: post("/operator/releases", body), reply: api.releaseReplySchema, policy: "ReleasingPolicyArn" }),
    listAudit: (page: PageOptions, of: { readonly target?: string; readonly day?: string }) =>
      call({
        request: get("/operator/audit", { ...pageOf(page), ...of }),
        reply: api.listAuditReplySchema,
        policy: "ReadingPolicyArn",
      }),
  };
}
export type Service = ReturnType<typeof openService>;

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
