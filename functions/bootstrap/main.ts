import { dynamodbClient, kmsClient } from "../lambda/clients.ts";
import { kmsSigner } from "../custody/kms.ts";
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
const [firstTokenSigner, ca] = await Promise.all([
  kmsSigner(kms, environment.FIRST_TOKEN_KEY),
  kmsSigner(kms, environment.ISSUING_CA_KEY),
]);

export const handler = makeHandler({
  serviceId: environment.SERVICE_ID,
  generation: Number(environment.KEY_GENERATION),
  store,
  firstTokenSigner,
  ca,
  readCatchUp: () => readCatchUp(store),
});
