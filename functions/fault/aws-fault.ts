import { Fault } from "./fault.ts";

const throttles = new Set([
  "ThrottlingException",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "TooManyRequestsException",
  "LimitExceededException",
]);

/** The name that an AWS service gave its error; the SDK's stable way to tell them apart. */
export function awsErrorName(error: unknown): string {
  return error instanceof Error ? error.name : "";
}

/** Wraps what an AWS call threw, so that nothing above knows AWS. */
export function awsFault(error: unknown, what: string): Fault {
  const name = awsErrorName(error);
  return new Fault(throttles.has(name) ? "throttled" : "unavailable", `${what}: ${name}`, { cause: error });
}
