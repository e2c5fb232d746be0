import type { Signer } from "@sealpost/protocol/token/jws.ts";
import { type KeySetClaims, type ListedKey, encoding, signKeySet } from "@sealpost/protocol/documents/key-set.ts";
import { limits } from "@sealpost/protocol/limits.ts";

import {
  type Epoch,
  type Epochs,
  type EpochsRecord,
  due,
  epochTimes,
  epochsRecordSchema,
  leaving,
  listed,
  noEpochs,
  step,
} from "../custody/epochs.ts";
import { Fault, faultCode } from "../fault/fault.ts";
import type { Put, Store } from "../store/port.ts";
import { type KeySetRecord, keySetRecordSchema, parseRecord } from "../store/records.ts";
import type { KeySource, MessageKeys } from "./message-keys.ts";

export type KeySetPorts = {
  readonly serviceId: string;
  /** Raised by a restore: what was listed before is gone. */
  readonly generation: number;
  readonly store: Pick<Store, "read" | "write">;
  readonly signer: Signer;
  readonly keys: MessageKeys;
};

/** What an attempt came to. */
export type Published = {
  readonly version: number;
  /** New epochs that the list begins with now. */
  readonly begun: number;
  /** Epochs whose private halves are gone now. */
  readonly erased: number;
  /** Epochs of another custody that still serve. */
  readonly leaving: number;
  /** Why a new epoch that was due could not be made; the present ones serve on. */
  readonly failure?: unknown;
};

/** Lost races in a row; who loses an hourly one may as well come again in an hour, but a deployment's must not be lost to it. */
const tries = 5;

/**
 * The one path that changes the message keys and says so: reads the list, takes one step, signs the key set and writes both at once. Whoever loses a
 * race discards what was made for it, and reads afresh.
 * @param clock Unix seconds, whole
 * @throws Fault; nothing was written then
 */
export async function publishKeySet(ports: KeySetPorts, clock: () => number): Promise<Published> {
  for (let attempt = 0; attempt < tries; attempt += 1) {
    const published = await attemptToPublish(ports, clock);
    if (published) return published;
  }
  throw new Fault("unavailable", "others signed the key set every time");
}

async function attemptToPublish(ports: KeySetPorts, clock: () => number): Promise<Published | undefined> {
  const { store, generation, keys } = ports;
  const now = clock();
  const stored = await readStored(store);
  const before = ofGeneration(stored.list, generation);
  const signing = await rotate(before.signing, keys.signing, now);
  const decryption = await rotate(before.decryption, keys.decryption, now);
  const list: EpochsRecord = {
    item: "epochs",
    revision: Math.max((stored.list?.revision ?? 0) + 1, now),
    generation,
    signing: signing.list,
    decryption: decryption.list,
  };
  const version = Math.max((stored.keySetVersion ?? 0) + 1, now);
  const keySet: KeySetRecord = {
    item: "keySet",
    version,
    keySet: await signKeySet(claimsOf(ports, list, version, now), ports.signer),
  };
  const puts: Put[] = [
    { table: "epochs", item: list, when: stored.list ? pick(stored.list) : "absent" },
    {
      table: "trust",
      item: keySet,
      when: stored.keySetVersion === undefined ? "absent" : { version: stored.keySetVersion },
    },
  ];
  if (clock() - now > epochTimes.attemptSeconds) throw new Fault("unavailable", "the attempt to sign took too long");
  if (!(await store.write(puts))) return undefined;
  const failure = signing.failure ?? decryption.failure;
  return {
    version,
    begun: signing.begun + decryption.begun,
    erased: wrapped(stored.list).filter((half) => !wrapped(list).includes(half)).length,
    leaving:
      leaving(list.signing, keys.signing.wanted).length + leaving(list.decryption, keys.decryption.wanted).length,
    ...(failure === undefined ? {} : { failure }),
  };
}

async function readStored(store: Pick<Store, "read">) {
  const [[list], [keySet]] = await Promise.all([
    store.read([{ table: "epochs", key: { item: "epochs" } }]),
    store.read([{ table: "trust", key: { item: "keySet" } }]),
  ]);
  return {
    list: list && parseRecord(epochsRecordSchema, list),
    keySetVersion: keySet && parseRecord(keySetRecordSchema, keySet).version,
  };
}

/** After a restore every epoch is gone, and the numbers go on. */
function ofGeneration(
  list: EpochsRecord | undefined,
  generation: number,
): Pick<EpochsRecord, "signing" | "decryption"> {
  if (!list) return { signing: { ...noEpochs, epochs: [] }, decryption: { ...noEpochs, epochs: [] } };
  if (list.generation > generation) throw new Fault("unavailable", "the list of epochs is of a later generation");
  if (list.generation === generation) return list;
  return {
    signing: { highest: list.signing.highest, epochs: [] },
    decryption: { highest: list.decryption.highest, epochs: [] },
  };
}

async function rotate<E extends Epoch>(list: Epochs<E>, { wanted, make }: KeySource<E>, now: number) {
  const at = due(list, wanted, now);
  let begun: E | undefined;
  let failure: unknown;
  try {
    begun = at && (await make(at));
  } catch (error) {
    if (faultCode(error) === undefined) throw error;
    failure = error;
  }
  const { list: next } = step(list, wanted, now, begun);
  if (failure !== undefined && listed(next.epochs).length === 0) throw failure;
  return { list: { ...next, epochs: [...next.epochs] }, begun: begun ? 1 : 0, failure };
}

function wrapped(list: EpochsRecord | undefined): string[] {
  const epochs = list ? [...list.signing.epochs, ...list.decryption.epochs] : [];
  return epochs.flatMap(({ half }) => ("wrapped" in half ? [half.wrapped] : []));
}

function pick({ revision, generation }: EpochsRecord) {
  return { revision, generation };
}

function claimsOf(
  { serviceId }: KeySetPorts,
  { signing, decryption }: EpochsRecord,
  version: number,
  now: number,
): KeySetClaims {
  const openers = listed(decryption.epochs);
  return {
    iss: serviceId,
    iat: now,
    exp: now + limits.keySetSeconds,
    version,
    keys: [
      ...listed(signing.epochs).map((epoch): ListedKey => ({
        ...epoch.jwk,
        use: "sig",
        ...said(epoch, now),
        alg: epoch.alg,
      })),
      ...openers.map((epoch): ListedKey => ({ ...epoch.jwk, use: "enc", ...said(epoch, now), alg: epoch.alg })),
    ],
    accepts: { encodings: [encoding], requestAlgorithms: [...new Set(openers.map(({ alg }) => alg))] },
  };
}

/** A key that has begun needs no `nbf`: no device's time is before the `iat` of the set. */
function said({ kid, nbf }: Epoch, now: number) {
  return nbf > now ? { kid, nbf } : { kid };
}
