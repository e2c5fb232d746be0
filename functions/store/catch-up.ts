import type { CatchUp } from "@sealpost/protocol/documents/trust.ts";

import type { Store } from "./port.ts";
import { keySetRecordSchema, parseRecord, trustRecordSchema } from "./records.ts";

/** The trust chain and the key set that are in force; undefined until the operator has published the first trust document. */
export async function readCatchUp(store: Pick<Store, "read">): Promise<CatchUp | undefined> {
  const [trust, keySet] = await store.read([
    { table: "trust", key: { item: "trust" } },
    { table: "trust", key: { item: "keySet" } },
  ]);
  if (!trust || !keySet) return undefined;
  return { trust: parseRecord(trustRecordSchema, trust).chain, keySet: parseRecord(keySetRecordSchema, keySet).keySet };
}
