import { dynamodbClient, kmsClient } from "../lambda/clients.ts";
import { kmsSigningKey, kmsUnwrap } from "../custody/kms.ts";
import { serverKeys } from "../custody/server-keys.ts";
import { readCatchUp, readDocumentVersions } from "../store/catch-up.ts";
import { dynamodbStore } from "../store/dynamodb-store.ts";
import { serveExchanges } from "../exchanges/exchanges.ts";
import { readCommands } from "../registry/command-items.ts";
import { releases } from "../releases/releases.ts";
import { readMessagesEnvironment } from "./environment.ts";
import { cachedVersions } from "../receive/document-versions.ts";
import { makeBatchHandler } from "../carriers/batch.ts";
import { makeHandler } from "../carriers/http.ts";
import type { HttpAnswer, HttpEvent } from "../lambda/http.ts";
import type { MessagePorts } from "../receive/ports.ts";

const environment = readMessagesEnvironment();
const kms = kmsClient();
const store = dynamodbStore(dynamodbClient(), {
  devices: environment.DEVICES_TABLE,
  releases: environment.RELEASES_TABLE,
  trust: environment.TRUST_TABLE,
  journal: environment.JOURNAL_TABLE,
  epochs: environment.EPOCHS_TABLE,
});
const serviceId = environment.SERVICE_ID;
const ports: MessagePorts = {
  serviceId,
  generation: Number(environment.KEY_GENERATION),
  store,
  serverKeys: serverKeys(kms, store, environment),
  readCatchUp: () => readCatchUp(store),
  documentVersions: cachedVersions(
    () => readDocumentVersions(store),
    () => Date.now() / 1000,
  ),
  exchanges: serveExchanges({
    serviceId,
    releases: releases(store, (wrapped, context) => kmsUnwrap(kms, environment.SECRETS_KEY, wrapped, context)),
    commands: (deviceId, numbers) => readCommands(store, deviceId, numbers),
    receiptSigner: kmsSigningKey(kms, environment.RECEIPT_KEY),
    ca: kmsSigningKey(kms, environment.ISSUING_CA_KEY),
  }),
};
const message = makeHandler(ports);
const batch = makeBatchHandler(ports);

export function handler(event: HttpEvent): Promise<HttpAnswer> {
  return event.routeKey === "POST /batches" ? batch(event) : message(event);
}
