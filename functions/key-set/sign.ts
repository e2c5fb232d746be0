import type { Signer } from "@sealpost/protocol/token/jws.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { es256 } from "@sealpost/protocol/suites/es256.ts";
import { type SigningJwk } from "@sealpost/protocol/suites/suites.ts";
import { type RsaJwk, rsaOaep256 } from "@sealpost/protocol/suites/rsa-oaep-256.ts";
import { type KeySetClaims, encoding, signKeySet } from "@sealpost/protocol/documents/key-set.ts";
import { limits } from "@sealpost/protocol/limits.ts";

import type { Store } from "../store/port.ts";
import { type KeySetRecord, keySetRecordSchema, parseRecord } from "../store/records.ts";

export type KeySetPorts = {
  readonly serviceId: string;
  readonly store: Pick<Store, "read" | "write">;
  readonly signer: Signer;
  readonly messageSigningKey: SigningJwk;
  readonly messageDecryptionKey: RsaJwk;
};

/**
 * Signs the present message keys and stores the set, whose version only ever grows.
 * @param now Unix seconds
 * @returns the version
 * @throws Fault
 */
export async function publishKeySet(ports: KeySetPorts, now: number): Promise<number> {
  const { serviceId, store, signer, messageSigningKey, messageDecryptionKey } = ports;
  const [item] = await store.read([{ table: "trust", key: { item: "keySet" } }]);
  const previous = item ? parseRecord(keySetRecordSchema, item).version : undefined;
  const version = Math.max((previous ?? 0) + 1, now);
  const claims: KeySetClaims = {
    iss: serviceId,
    iat: now,
    exp: now + limits.keySetSeconds,
    version,
    keys: [
      { ...messageSigningKey, kid: await thumbprint(messageSigningKey), use: "sig", alg: es256.alg },
      { ...messageDecryptionKey, kid: await thumbprint(messageDecryptionKey), use: "enc", alg: rsaOaep256.alg },
    ],
    accepts: { encodings: [encoding], requestAlgorithms: [rsaOaep256.alg] },
  };
  const record: KeySetRecord = { item: "keySet", version, keySet: await signKeySet(claims, signer) };
  const when = previous === undefined ? "absent" : { version: previous };
  // A lost race, or the retry of a write whose answer was lost: a set at least as new is stored.
  await store.write([{ table: "trust", item: record, when }]);
  return version;
}
