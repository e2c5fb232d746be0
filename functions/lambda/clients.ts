import { type AwsClient, awsClient, dynamodb, kms } from "../aws/client.ts";

/**
 * Time-outs and attempts, in milliseconds: all attempts of four calls in turn fit into what a function that answers devices may take
 * (infra/function.ts), so that it answers itself. Region and endpoints come from the environment variables of AWS SDKs alone.
 */
const bounds = { attempts: 3, timeout: 1_500 } as const;

export function kmsClient(): AwsClient {
  return awsClient(kms, bounds);
}

/** @param timeout for each attempt, milliseconds */
export function dynamodbClient(timeout: number = bounds.timeout): AwsClient {
  return awsClient(dynamodb, { ...bounds, timeout });
}

/** The same bounds for a client of the SDK. */
export const clientSettings = {
  maxAttempts: bounds.attempts,
  // Without the last member the handler only warns.
  requestHandler: { connectionTimeout: 1_000, requestTimeout: bounds.timeout, throwOnRequestTimeout: true },
} as const;
