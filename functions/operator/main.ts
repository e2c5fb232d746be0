import { randomUUID } from "node:crypto";

import { DynamoDBClient } from "@aws-sdk/client-dynamodb";

import { dynamodbStore } from "../store/dynamodb-store.ts";
import { readOperatorEnvironment } from "./environment.ts";
import { makeHandler } from "./handler.ts";

const environment = readOperatorEnvironment();

/** Three tries end well within the function's own time. */
const dynamodb = new DynamoDBClient({
  maxAttempts: 3,
  requestHandler: { connectionTimeout: 1_000, requestTimeout: 3_000, throwOnRequestTimeout: true },
});

export const handler = makeHandler({
  serviceId: environment.SERVICE_ID,
  generation: Number(environment.KEY_GENERATION),
  store: dynamodbStore(dynamodb, {
    credentials: environment.CREDENTIALS_TABLE,
    devices: environment.DEVICES_TABLE,
    releases: environment.RELEASES_TABLE,
    trust: environment.TRUST_TABLE,
    journal: environment.JOURNAL_TABLE,
  }),
  now: () => Date.now() / 1000,
  newId: () => randomUUID(),
});
