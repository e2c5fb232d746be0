import { randomUUID } from "node:crypto";

import { dynamodbClient } from "../lambda/clients.ts";
import { dynamodbStore } from "../store/dynamodb-store.ts";
import { readOperatorEnvironment } from "./environment.ts";
import { makeHandler } from "./handler.ts";

const environment = readOperatorEnvironment();

/** Three attempts end well within the function's own time. */
const attemptMilliseconds = 3_000;

export const handler = makeHandler({
  serviceId: environment.SERVICE_ID,
  generation: Number(environment.KEY_GENERATION),
  store: dynamodbStore(dynamodbClient(attemptMilliseconds), {
    credentials: environment.CREDENTIALS_TABLE,
    devices: environment.DEVICES_TABLE,
    releases: environment.RELEASES_TABLE,
    trust: environment.TRUST_TABLE,
    journal: environment.JOURNAL_TABLE,
  }),
  now: () => Date.now() / 1000,
  newId: () => randomUUID(),
});
