import { dynamodbClient, kmsClient } from "../lambda/clients.ts";
import { kmsSigningKey } from "../custody/kms.ts";
import { readCatchUp } from "../store/catch-up.ts";
import { dynamodbStore } from "../store/dynamodb-store.ts";
import { readBootstrapEnvironment } from "./environment.ts";
import { makeHandler } from "./handler.ts";

const environment = readBootstrapEnvironment();
const kms = kmsClient();
const store = dynamodbStore(dynamodbClient(), {
  credentials: environment.CREDENTIALS_TABLE,
  devices: environment.DEVICES_TABLE,
  trust: environment.TRUST_TABLE,
  journal: environment.JOURNAL_TABLE,
});
export const handler = makeHandler({
  serviceId: environment.SERVICE_ID,
  generation: Number(environment.KEY_GENERATION),
  store,
  firstTokenSigner: kmsSigningKey(kms, environment.FIRST_TOKEN_KEY),
  ca: kmsSigningKey(kms, environment.ISSUING_CA_KEY),
  readCatchUp: () => readCatchUp(store),
});
