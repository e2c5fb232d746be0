import { Fault } from "./fault.ts";

/** Names under which services of AWS say that they are asked too often; DynamoDB also of a transaction that is still under way. */
const throttles = new Set([
  "ThrottlingException",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "TooManyRequestsException",
  "LimitExceededException",
  "TransactionInProgressException",
]);

export function isThrottle(name: string): boolean {
  return throttles.has(name);
}

/** The name that an AWS service gave its error, by which they are told apart. */
export function awsErrorName(error: unknown): string {
  return error instanceof Error ? error.name : "";
}

/** Wraps what an AWS call threw, so that nothing above knows AWS. */
export function awsFault(error: unknown, what: string): Fault {
  const name = awsErrorName(error);
  return new Fault(isThrottle(name) ? "throttled" : "unavailable", `${what}: ${name}`, { cause: error });
}
