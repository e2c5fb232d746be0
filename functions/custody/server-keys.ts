import type { AwsClient } from "../aws/client.ts";

import { Fault } from "../fault/fault.ts";
import type { Store } from "../store/port.ts";
import { parseRecord } from "../store/records.ts";
import { type CustodyEnvironment, chosenCustody } from "./environment.ts";
import { epochServerKeys } from "./epoch.ts";
import { type EpochsRecord, epochsRecordSchema } from "./epochs.ts";
import { kmsServerKeys, kmsUnwrap, knownKmsOpener, knownKmsSigner } from "./kms.ts";
import type { ServerKeys } from "./port.ts";

export type MessageKeysEnvironment = CustodyEnvironment & {
  readonly SERVICE_ID: string;
  readonly KEY_GENERATION: string;
  readonly MESSAGE_SIGNING_KEY: string;
  readonly MESSAGE_DECRYPTION_KEY: string;
  readonly EPOCH_KEY: string;
};

/** The message keys of this deployment, as the message function uses them: what the key set lists is in the list of epochs for either custody. */
export function serverKeys(
  kms: AwsClient,
  store: Pick<Store, "read">,
  environment: MessageKeysEnvironment,
): ServerKeys {
  const { signing, decryption, handover } = chosenCustody(environment);
  if (signing === "kms" && decryption === "kms" && !handover) {
    return kmsServerKeys(kms, {
      signing: environment.MESSAGE_SIGNING_KEY,
      decryption: environment.MESSAGE_DECRYPTION_KEY,
    });
  }
  return epochServerKeys({
    serviceId: environment.SERVICE_ID,
    read: () => readEpochs(store, Number(environment.KEY_GENERATION)),
    unwrap: (wrapped, context) => kmsUnwrap(kms, environment.EPOCH_KEY, wrapped, context),
    kms: {
      signer: (kmsKey, epoch) => knownKmsSigner(kms, kmsKey, epoch),
      opener: (kmsKey, epoch) => knownKmsOpener(kms, kmsKey, epoch),
    },
  });
}

/**
 * The list that this key generation works by. One of another generation is from before a restore, or the restore has overtaken this function.
 * @throws Fault
 */
export async function readEpochs(store: Pick<Store, "read">, generation: number): Promise<EpochsRecord> {
  const [item] = await store.read([{ table: "epochs", key: { item: "epochs" } }]);
  if (!item) throw new Fault("not-set-up", "no message keys yet: the key set has not been signed");
  const list = parseRecord(epochsRecordSchema, item);
  if (list.generation !== generation) throw new Fault("unavailable", "the list of epochs is of another generation");
  return list;
}
