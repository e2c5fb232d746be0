import type { AwsClient } from "../aws/client.ts";

import { type CustodyEnvironment, chosenCustody } from "../custody/environment.ts";
import { makeDecryptionEpoch, makeSigningEpoch } from "../custody/epoch.ts";
import type { Beginning, DecryptionEpoch, Epoch, SigningEpoch, Wanted } from "../custody/epochs.ts";
import { kmsContentKeyOpener, kmsSigner, kmsWrappedPairs } from "../custody/kms.ts";

/** What a use is to have, and how its next key is made. */
export type KeySource<E extends Epoch> = {
  readonly wanted: Wanted;
  /** @throws Fault if the custody does not answer */
  make(at: Beginning): Promise<E>;
};

export type MessageKeys = {
  readonly signing: KeySource<SigningEpoch>;
  readonly decryption: KeySource<DecryptionEpoch>;
};

export type MessageKeysEnvironment = CustodyEnvironment & {
  readonly SERVICE_ID: string;
  readonly MESSAGE_SIGNING_KEY: string;
  readonly MESSAGE_DECRYPTION_KEY: string;
  readonly EPOCH_KEY: string;
  readonly SIGNING_EPOCH_DAYS: string;
  readonly DECRYPTION_EPOCH_DAYS: string;
};

/** The message keys that this deployment wants, of the custody that was chosen for each use. */
export function messageKeys(kms: AwsClient, environment: MessageKeysEnvironment): MessageKeys {
  const { SERVICE_ID: serviceId, MESSAGE_SIGNING_KEY: signing, MESSAGE_DECRYPTION_KEY: decryption } = environment;
  const { handover, ...chosen } = chosenCustody(environment);
  const pairs = kmsWrappedPairs(kms, environment.EPOCH_KEY);
  const epochs = (days: string): Wanted => ({
    custody: { kind: "epoch", epochSeconds: Number(days) * 86_400 },
    handover,
  });
  return {
    signing:
      chosen.signing === "epoch"
        ? { wanted: epochs(environment.SIGNING_EPOCH_DAYS), make: (at) => makeSigningEpoch(pairs, serviceId, at) }
        : {
            wanted: { custody: { kind: "kms", kmsKey: signing }, handover },
            make: async (at) => {
              const { kid, alg, jwk } = await kmsSigner(kms, signing);
              return { ...at, kid, alg, jwk, half: { kmsKey: signing } };
            },
          },
    decryption:
      chosen.decryption === "epoch"
        ? { wanted: epochs(environment.DECRYPTION_EPOCH_DAYS), make: (at) => makeDecryptionEpoch(pairs, serviceId, at) }
        : {
            wanted: { custody: { kind: "kms", kmsKey: decryption }, handover },
            make: async (at) => {
              const { kid, alg, jwk } = await kmsContentKeyOpener(kms, decryption);
              return { ...at, kid, alg, jwk, half: { kmsKey: decryption } };
            },
          },
  };
}
