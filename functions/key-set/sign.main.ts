import { dynamodbClient, kmsClient } from "../lambda/clients.ts";
import { ecPublicKey, kmsSigner, rsaPublicKey } from "../custody/kms.ts";
import { logInvocation } from "../lambda/log.ts";
import { dynamodbStore } from "../store/dynamodb-store.ts";
import { readKeySetSignEnvironment } from "./environment.ts";
import { publishKeySet } from "./sign.ts";

const environment = readKeySetSignEnvironment();
const kms = kmsClient();
const store = dynamodbStore(dynamodbClient(), { trust: environment.TRUST_TABLE });

/** Invoked at every deployment and by a schedule; both try again what failed. */
export async function handler(): Promise<void> {
  const start = Date.now();
  const log = (more: Parameters<typeof logInvocation>[0]) =>
    logInvocation({ function: "keyset-sign", ...more, ms: Date.now() - start });
  try {
    const [signer, messageSigningKey, messageDecryptionKey] = await Promise.all([
      kmsSigner(kms, environment.KEY_SET_KEY),
      ecPublicKey(kms, environment.MESSAGE_SIGNING_KEY),
      rsaPublicKey(kms, environment.MESSAGE_DECRYPTION_KEY),
    ]);
    const ports = { serviceId: environment.SERVICE_ID, store, signer, messageSigningKey, messageDecryptionKey };
    log({ outcome: "ok", version: await publishKeySet(ports, Math.floor(start / 1000)) });
  } catch (error) {
    log({ outcome: "fault", reason: error instanceof Error ? error.message : "unknown" });
    throw error;
  }
}
