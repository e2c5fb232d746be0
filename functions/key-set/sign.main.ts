import { dynamodbClient, kmsClient } from "../lambda/clients.ts";
import { kmsSigner } from "../custody/kms.ts";
import { serverKeys } from "../custody/server-keys.ts";
import { explain } from "../fault/explain.ts";
import { Fault } from "../fault/fault.ts";
import { logInvocation } from "../fault/log.ts";
import { dynamodbStore } from "../store/dynamodb-store.ts";
import { readKeySetSignEnvironment } from "./environment.ts";
import { publishKeySet } from "./sign.ts";

const environment = readKeySetSignEnvironment();
const kms = kmsClient();
const store = dynamodbStore(dynamodbClient(), { trust: environment.TRUST_TABLE });
const present = serverKeys(kms, environment);

/** Invoked at every deployment and by a schedule; both try again what failed. */
export async function handler(): Promise<void> {
  const start = Date.now();
  const log = (more: Parameters<typeof logInvocation>[0]) =>
    logInvocation({ function: "key-set-sign", ...more, milliseconds: Date.now() - start });
  try {
    const signer = await kmsSigner(kms, environment.KEY_SET_KEY);
    const ports = { serviceId: environment.SERVICE_ID, store, signer, serverKeys: present };
    log({ outcome: "ok", version: await publishKeySet(ports, Math.floor(start / 1000)) });
  } catch (error) {
    const { fields } = explain(error);
    log(fields);
    // The runtime writes what is thrown here to the log.
    throw new Fault("unavailable", "the key set was not signed: the line above says why");
  }
}
