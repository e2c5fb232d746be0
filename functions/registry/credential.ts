import type { Store } from "../store/port.ts";
import { type CredentialRecord, credentialRecordSchema, parseRecord } from "../store/records.ts";
import { credentialEndKey, parseCredentialEnd } from "./life.ts";

/**
 * A credential as the table and what no restore takes back say it together: a restored table may say `issued` of one that was spent or revoked
 * since.
 */
export async function readCredential(
  store: Pick<Store, "read">,
  credentialId: string,
): Promise<CredentialRecord | undefined> {
  const [item, end] = await store.read([
    { table: "credentials", key: { credentialId } },
    credentialEndKey(credentialId),
  ]);
  if (!item) return undefined;
  const credential = parseRecord(credentialRecordSchema, item);
  return credential.status === "issued" && end ? { ...credential, ...parseCredentialEnd(end) } : credential;
}
