import { dynamodbClient } from "../lambda/clients.ts";
import { dynamodbStore } from "../store/dynamodb-store.ts";
import { readPublisherEnvironment } from "./environment.ts";
import { makeHandler } from "./handler.ts";
import { sqsParking } from "./sqs-parking.ts";
import { openTarget } from "./targets/target.ts";

const environment = readPublisherEnvironment();
const parkingClient = async () => {
  const { SQSClient } = await import("@aws-sdk/client-sqs");
  const { clientSettings } = await import("../lambda/clients.ts");
  return new SQSClient(clientSettings);
};
let client: ReturnType<typeof parkingClient> | undefined;

export const handler = makeHandler({
  target: await openTarget(environment.TARGET_KIND, environment.TARGET_ADDRESS, environment.SERVICE_ID),
  parking: sqsParking(() => (client ??= parkingClient()), environment.PARKED_QUEUE),
  store: dynamodbStore(dynamodbClient(), { journal: environment.JOURNAL_TABLE }),
  now: Date.now,
});
