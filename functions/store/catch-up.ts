import type { CatchUp } from "@sealpost/protocol/documents/trust.ts";

import type { Store } from "./port.ts";
import { keySetRecordSchema, parseRecord, trustRecordSchema } from "./records.ts";

const documents = [
  { table: "trust", key: { item: "trust" } },
  { table: "trust", key: { item: "keySet" } },
] as const;

/** Versions of the documents that are in force; 0 for one that is not there. */
export type DocumentVersions = { readonly trustVersion: number; readonly keySetVersion: number };

export async function readDocumentVersions(store: Pick<Store, "read">): Promise<DocumentVersions> {
  const [trust, keySet] = await store.read(documents);
  return {
    trustVersion: trust ? parseRecord(trustRecordSchema, trust).version : 0,
    keySetVersion: keySet ? parseRecord(keySetRecordSchema, keySet).version : 0,
  };
}

/** The trust chain and the key set that are in force; undefined until the operator has published the first trust document. */
export async function readCatchUp(store: Pick<Store, "read">): Promise<CatchUp | undefined> {
  const [trust, keySet] = await store.read(documents);
  if (!trust || !keySet) return undefined;
  return { trust: parseRecord(trustRecordSchema, trust).chain, keySet: parseRecord(keySetRecordSchema, keySet).keySet };
}
