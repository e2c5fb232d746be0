import { dynamodbClient, kmsClient } from "../lambda/clients.ts";
import { kmsSigningKey } from "../custody/kms.ts";
import { explain } from "../fault/explain.ts";
import { Fault } from "../fault/fault.ts";
import { logInvocation } from "../fault/log.ts";
import { dynamodbStore } from "../store/dynamodb-store.ts";
import { readKeySetSignEnvironment } from "./environment.ts";
import { messageKeys } from "./message-keys.ts";
import { publishKeySet } from "./sign.ts";

const environment = readKeySetSignEnvironment();
const kms = kmsClient();
const store = dynamodbStore(dynamodbClient(), { trust: environment.TRUST_TABLE, epochs: environment.EPOCHS_TABLE });
const keySetSigner = kmsSigningKey(kms, environment.KEY_SET_KEY);
const keys = messageKeys(kms, environment);

/** Invoked at every deployment and by a schedule; both try again what failed. */
export async function handler(): Promise<void> {
  const start = Date.now();
  let failure: unknown;
  const log = (more: Parameters<typeof logInvocation>[0]) =>
    logInvocation({ function: "key-set-sign", ...more, milliseconds: Date.now() - start });
  try {
    const ports = {
      serviceId: environment.SERVICE_ID,
      generation: Number(environment.KEY_GENERATION),
      store,
      signer: await keySetSigner(),
      keys,
    };
    const published = await publishKeySet(ports, () => Math.floor(Date.now() / 1000));
    failure = published.failure;
    const { version, begun, erased, leaving } = published;
    const said = failure === undefined ? { outcome: "ok" } : { ...explain(failure).fields, rotation: "failed" };
    log({ ...said, version, begun, erased, leaving });
  } catch (error) {
    const { fields } = explain(error);
    log(fields);
    // The runtime writes what is thrown here to the log.
    throw new Fault("unavailable", "the key set was not signed: the line above says why");
  }
  if (failure !== undefined) {
    // So that it is tried again and an alarm tells of it; devices notice nothing.
    throw new Fault(
      "unavailable",
      "the key set was signed, but a key that was due could not be made: see the line above",
    );
  }
}
