import type { Signer } from "@sealpost/protocol/token/jws.ts";
import { type KeySetClaims, type ListedKey, encoding, signKeySet } from "@sealpost/protocol/documents/key-set.ts";
import { limits } from "@sealpost/protocol/limits.ts";

import type { PresentKeys, ServerKeys } from "../custody/port.ts";
import type { Store } from "../store/port.ts";
import { type KeySetRecord, keySetRecordSchema, parseRecord } from "../store/records.ts";

export type KeySetPorts = {
  readonly serviceId: string;
  readonly store: Pick<Store, "read" | "write">;
  readonly signer: Signer;
  /** Of the custody that the message function has. */
  readonly serverKeys: ServerKeys;
};

/**
 * Signs the present message keys and stores the set, whose version only ever grows.
 * @param now Unix seconds
 * @returns the version
 * @throws Fault
 */
export async function publishKeySet(ports: KeySetPorts, now: number): Promise<number> {
  const { serviceId, store, signer, serverKeys } = ports;
  const present = await serverKeys.at(now);
  const [item] = await store.read([{ table: "trust", key: { item: "keySet" } }]);
  const previous = item ? parseRecord(keySetRecordSchema, item).version : undefined;
  const version = Math.max((previous ?? 0) + 1, now);
  const claims: KeySetClaims = {
    iss: serviceId,
    iat: now,
    exp: now + limits.keySetSeconds,
    version,
    keys: listed(present),
    accepts: { encodings: [encoding], requestAlgorithms: [...new Set(present.openers.map(({ alg }) => alg))] },
  };
  const record: KeySetRecord = { item: "keySet", version, keySet: await signKeySet(claims, signer) };
  const when = previous === undefined ? "absent" : { version: previous };
  // A lost race, or the retry of a write whose answer was lost: a set at least as new is stored.
  await store.write([{ table: "trust", item: record, when }]);
  return version;
}

function listed({ replySigner, openers }: PresentKeys): ListedKey[] {
  const { jwk, kid, alg } = replySigner;
  return [
    { ...jwk, kid, use: "sig", alg },
    ...openers.map((opener): ListedKey => ({ ...opener.jwk, kid: opener.kid, use: "enc", alg: opener.alg })),
  ];
}
