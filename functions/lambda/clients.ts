import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { KMSClient } from "@aws-sdk/client-kms";

/**
 * One client for each service and process, with explicit time-outs, in milliseconds: all attempts of four calls in turn
 * fit into what a function that answers devices may take (infra/function.ts), so that it answers itself. Region and
 * endpoints come from the SDK's own environment variables alone.
 */
export const clientSettings = {
  maxAttempts: 3,
  // Without the last member the handler only warns.
  requestHandler: { connectionTimeout: 1_000, requestTimeout: 1_500, throwOnRequestTimeout: true },
} as const;

export function kmsClient(): KMSClient {
  return new KMSClient(clientSettings);
}

export function dynamodbClient(): DynamoDBClient {
  return new DynamoDBClient(clientSettings);
}
