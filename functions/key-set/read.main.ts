import { dynamodbClient } from "../lambda/clients.ts";
import { readCatchUp } from "../store/catch-up.ts";
import { dynamodbStore } from "../store/dynamodb-store.ts";
import { readKeySetReadEnvironment } from "./environment.ts";
import { makeHandler } from "./read.ts";

const store = dynamodbStore(dynamodbClient(), { trust: readKeySetReadEnvironment().TRUST_TABLE });

export const handler = makeHandler(() => readCatchUp(store));
