import * as z from "zod/mini";

import { credentialTarget, readJournal } from "../store/journal.ts";
import type { Store } from "../store/port.ts";
import { type CredentialRecord, credentialRecordSchema, parseRecord } from "../store/records.ts";

const spentDetailSchema = z.object({ deviceId: z.uuid() });

/**
 * A credential as the table and the journal know it together: a restored table may say `issued` of one that was spent or revoked since.
 * @param generation the key generation: in the first nothing was ever restored, and the table alone is asked
 */
export async function readCredential(
  store: Pick<Store, "read" | "list">,
  credentialId: string,
  generation: number,
): Promise<CredentialRecord | undefined> {
  const [item] = await store.read([{ table: "credentials", key: { credentialId } }]);
  if (!item) return undefined;
  const credential = parseRecord(credentialRecordSchema, item);
  if (generation === 1 || credential.status !== "issued") return credential;
  const entries = await readJournal(store, credentialTarget(credentialId));
  const spent = entries.find(({ action }) => action === "credential.spent");
  if (spent) return { ...credential, status: "spent", deviceId: parseRecord(spentDetailSchema, spent.detail).deviceId };
  const revoked = entries.some(({ action }) => action === "credential.revoked");
  return revoked ? { ...credential, status: "revoked" } : credential;
}
