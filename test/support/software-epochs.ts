import { createCipheriv, createDecipheriv, generateKeyPairSync, randomBytes } from "node:crypto";

import { epochServerKeys, makeDecryptionEpoch, makeSigningEpoch } from "../../functions/custody/epoch.ts";
import type { Wanted } from "../../functions/custody/epochs.ts";
import type { EpochContext, MakeWrappedPair, PresentKeys, ServerKeys, Unwrap } from "../../functions/custody/port.ts";
import { readEpochs } from "../../functions/custody/server-keys.ts";
import { Fault } from "../../functions/fault/fault.ts";
import type { MessageKeys } from "../../functions/key-set/message-keys.ts";
import { publishKeySet } from "../../functions/key-set/sign.ts";
import { memoryStore } from "../../functions/store/memory-store.ts";
import type { Store } from "../../functions/store/port.ts";
import { signingKey } from "./keys.ts";
import { present, serviceId } from "./service.ts";

/** Key pairs wrapped under a key in memory, bound to their context as KMS binds them. It counts, and it can be down. */
export function softwareWrapping() {
  const key = randomBytes(32);
  const calls = { made: 0, unwrapped: 0 };
  const state = { down: false };
  const aad = (context: EpochContext) =>
    Buffer.from(JSON.stringify(Object.entries(context).toSorted(([a], [b]) => (a < b ? -1 : 1))));
  const answer = () => {
    if (state.down) throw new Fault("unavailable", "the wrapping key does not answer");
  };
  const make: MakeWrappedPair = async (context) => {
    answer();
    calls.made += 1;
    const pair = generateKeyPairSync("ec", {
      namedCurve: "P-256",
      publicKeyEncoding: { format: "der", type: "spki" },
      privateKeyEncoding: { format: "der", type: "pkcs8" },
    });
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(aad(context));
    const sealed = Buffer.concat([iv, cipher.update(pair.privateKey), cipher.final(), cipher.getAuthTag()]);
    return { publicKey: new Uint8Array(pair.publicKey), wrapped: sealed.toString("base64") };
  };
  const unwrap: Unwrap = async (wrapped, context) => {
    answer();
    calls.unwrapped += 1;
    const sealed = Buffer.from(wrapped, "base64");
    const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, 12)).setAAD(aad(context));
    decipher.setAuthTag(sealed.subarray(-16));
    return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
  };
  return { make, unwrap, calls, state };
}

export type SoftwareWrapping = ReturnType<typeof softwareWrapping>;

export const day = 86_400;

/** Message keys in epochs for both uses. */
export function epochKeys(
  make: MakeWrappedPair,
  { days = 8, handover = false }: { days?: number; handover?: boolean } = {},
): MessageKeys {
  const wanted: Wanted = { custody: { kind: "epoch", epochSeconds: days * day }, handover };
  return {
    signing: { wanted, make: (at) => makeSigningEpoch(make, serviceId, at) },
    decryption: { wanted, make: (at) => makeDecryptionEpoch(make, serviceId, at) },
  };
}

/**
 * What one function holds of the list in a store: its cache, and the halves that it unwrapped.
 * @param held the keys of tests themselves, where the list names them
 */
export function epochFunction(
  store: Pick<Store, "read">,
  unwrap: Unwrap,
  { generation = 1, held }: { generation?: number; held?: PresentKeys } = {},
): ServerKeys {
  const lent = <K extends { kid: string }>(keys: readonly K[], kid: string) => {
    const key = keys.find((candidate) => candidate.kid === kid);
    if (!key) throw new Error("a key that no test holds");
    return key;
  };
  return epochServerKeys({
    serviceId,
    read: () => readEpochs(store, generation),
    unwrap,
    kms: {
      signer: (kmsKey) => lent(held ? [held.replySigner] : [], kmsKey),
      opener: (kmsKey) => lent(held?.openers ?? [], kmsKey),
    },
  });
}

/** The keys of a first epoch. */
export async function epochsInMemory(): Promise<PresentKeys> {
  const store = memoryStore();
  const { make, unwrap } = softwareWrapping();
  const ports = { serviceId, generation: 1, store, signer: await signingKey(), keys: epochKeys(make) };
  await publishKeySet(ports, () => present);
  return epochFunction(store, unwrap).at(present);
}
