import { Agent } from "node:https";
import { Agent as PlainAgent } from "node:http";

import { defaultProvider } from "@aws-sdk/credential-provider-node";

import { OperatorFault } from "./fault.ts";
import { lookup } from "./loopback.ts";
import type { Access, Outputs, PolicyOutput } from "./stack.ts";

type Credentials = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
};

/** The emulator's own for a local stack, and never the user's; otherwise whatever the AWS SDK finds (profile, SSO, role, environment). */
export function credentialsOf({ local }: Access): () => Promise<Credentials> {
  return local ? async () => local.credentials : defaultProvider();
}

/** Configuration of an AWS SDK client. */
export function clientConfiguration(access: Access) {
  const { region, local } = access;
  const timeouts = { connectionTimeout: 5_000, requestTimeout: 30_000, throwOnRequestTimeout: true };
  if (!local) return { region, requestHandler: timeouts };
  return {
    region,
    endpoint: local.endpoint,
    credentials: local.credentials,
    // FIPS and dual-stack settings of the user would contradict an endpoint.
    useFipsEndpoint: false,
    useDualstackEndpoint: false,
    requestHandler: {
      ...timeouts,
      httpAgent: new PlainAgent({ lookup }),
      httpsAgent: new Agent({ lookup, ca: local.ca }),
    },
  };
}

type Deployed = { readonly access: Access; readonly outputs: Outputs };

const notAllowed = new Set(["AccessDenied", "AccessDeniedException", "Forbidden"]);
const badCredentials = new Set([
  "CredentialsProviderError",
  "ExpiredToken",
  "ExpiredTokenException",
  "IncompleteSignature",
  "InvalidAccessKeyId",
  "InvalidClientTokenId",
  "InvalidSignatureException",
  "SignatureDoesNotMatch",
  "TokenProviderError",
  "UnrecognizedClientException",
]);
const unusable = new Set([
  "DisabledException",
  "KMSInvalidStateException",
  "NotFoundException",
  "NoSuchBucket",
  "NoSuchKey",
  "QueueDoesNotExist",
]);
const unreachable = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
  "EPIPE",
  "TimeoutError",
]);

/**
 * Turns what an AWS call threw into what an operator can act on.
 * @param doing what was being done, as in "AWS did not … "
 * @param policy the stack's policy that allows it
 */
export function awsFault(error: unknown, doing: string, policy: PolicyOutput, stack: Deployed): OperatorFault {
  const name = error instanceof Error ? error.name : "";
  const code = error instanceof Error && "code" in error ? String(error.code) : name;
  if (notAllowed.has(name)) return missingPolicy(`AWS did not allow this operator to ${doing}.`, policy, stack, error);
  if (badCredentials.has(name)) {
    return new OperatorFault(
      "not-authorised",
      `AWS credentials are missing, expired or not valid (${name}): cannot ${doing}.`,
      stack.access.local
        ? "the local stack has been started again since: read its new stack.json, or run `npm run up`"
        : "log in (`aws sso login`, AWS_PROFILE, AWS_ACCESS_KEY_ID …) and run the command again",
      { cause: error },
    );
  }
  if (unusable.has(name)) {
    return new OperatorFault(
      "refused",
      `AWS could not ${doing}: the key, bucket or queue does not exist or is disabled (${name}).`,
      "compare the stack file with the deployed stack, and look at the key's state in KMS",
      { cause: error },
    );
  }
  if (unreachable.has(code)) return unreachableFault(`Cannot ${doing}: no connection (${code}).`, stack.access, error);
  return new OperatorFault(
    "unavailable",
    `AWS could not ${doing} (${name || "unknown reason"}).`,
    "run the command again",
    {
      cause: error,
    },
  );
}

export function unreachableFault(message: string, { local }: Access, cause: unknown): OperatorFault {
  return local
    ? new OperatorFault(
        "not-set-up",
        message,
        "is `npm run up` running? It keeps the local stack alive and writes its stack.json",
        { cause },
      )
    : new OperatorFault("unavailable", message, "check the network and that the stack file is of the deployed stack", {
        cause,
      });
}

export function missingPolicy(message: string, policy: PolicyOutput, stack: Deployed, cause?: unknown): OperatorFault {
  const attach = `attach the policy of the stack output ${policy} to the operator's role or user: ${stack.outputs[policy]}`;
  const next = stack.access.local ? `read the newest stack.json if \`npm run up\` was run again; or ${attach}` : attach;
  return new OperatorFault("not-authorised", message, next, { cause });
}
