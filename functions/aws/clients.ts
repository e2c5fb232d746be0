import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { KMSClient } from "@aws-sdk/client-kms";

/**
 * One client for each service and process, with explicit time-outs, in milliseconds: a function that waits longer than these answers nothing
 * useful. Region and endpoints come from the SDK's own environment variables alone.
 */
const settings = {
  maxAttempts: 3,
  // Without the last member the handler only warns.
  requestHandler: { connectionTimeout: 1_000, requestTimeout: 4_000, throwOnRequestTimeout: true },
} as const;

export function kmsClient(): KMSClient {
  return new KMSClient(settings);
}

export function dynamodbClient(): DynamoDBClient {
  return new DynamoDBClient(settings);
}
