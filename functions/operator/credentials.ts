import type { TrustClaims } from "@sealpost/protocol/documents/trust.ts";
import { problem } from "@sealpost/protocol/messages/problems.ts";
import {
  type CreateCredentialRequest,
  type Credential,
  validSeconds,
} from "@sealpost/protocol/operator/credentials.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";

import { readCredential } from "../registry/credential.ts";
import { credentialTarget, journalPut } from "../registry/journal.ts";
import { credentialEndPut } from "../registry/life.ts";
import type { Put } from "../store/port.ts";
import { type CredentialRecord, credentialRecordSchema, parseRecord, shardOf } from "../store/records.ts";
import { type Answer, type Call, type Decision, type Stamp, commit } from "./act.ts";
import type { OperatorPorts } from "./ports.ts";
import { listShards } from "./shards.ts";
import { readStoredTrust } from "./trust.ts";

/** How long a credential that was never used stays in lists after its end. */
const keptSeconds = 30 * 86_400;

export async function createCredential(
  call: Call<"createCredential">,
  ports: OperatorPorts,
): Promise<Answer<"createCredential">> {
  const trust = await readStoredTrust(ports.store);
  if ("problem" in trust) return trust;
  const credentialId = ports.newId();
  return commit(ports.store, async () => decideCreation(call.request, credentialId, trust.value.claims, call));
}

/** A credential pins the roots of the newest trust document, so there must be one. */
async function decideCreation(
  request: CreateCredentialRequest,
  credentialId: string,
  trust: TrustClaims,
  { actor, now, unique }: Stamp,
): Promise<Decision<"createCredential">> {
  const validUntil = now + (request.validSeconds ?? validSeconds.usual);
  const record: CredentialRecord = {
    credentialId,
    shard: shardOf(credentialId),
    revision: 0,
    status: "issued",
    secretHash: request.secretHash,
    serialNumber: request.serialNumber,
    created: now,
    createdBy: actor,
    validUntil,
    expires: validUntil + keptSeconds,
  };
  const entry = {
    target: credentialTarget(credentialId),
    action: "credential.created",
    actor,
    time: now,
    detail: { serialNumber: record.serialNumber, validUntil },
  } as const;
  const roots = trust.standby ? [trust.root, trust.standby] : [trust.root];
  const reply = {
    credential: credentialView(record, now),
    serviceId: trust.iss,
    roots: await Promise.all(roots.map(thumbprint)),
  };
  return { reply, puts: [{ table: "credentials", item: record, when: "absent" }, journalPut(entry, unique)] };
}

export async function listCredentials(
  { query, now }: Call<"listCredentials">,
  { store }: OperatorPorts,
): Promise<Answer<"listCredentials">> {
  const page = await listShards(store, "credentials", query);
  if ("problem" in page) return page;
  const { items, ...rest } = page.value;
  const credentials = items.map((item) => credentialView(parseRecord(credentialRecordSchema, item), now));
  return { reply: { credentials, ...rest } };
}

export async function revokeCredential(
  call: Call<"revokeCredential">,
  { store }: OperatorPorts,
): Promise<Answer<"revokeCredential">> {
  return commit(store, async () => {
    const credential = await readCredential(store, call.path.credentialId);
    if (!credential) return { problem: problem("not-found", { detail: "There is no credential with this id." }) };
    return decideRevocation(credential, call);
  });
}

/** Once spent, a credential is a device: ending one does not end the other. */
function decideRevocation(record: CredentialRecord, { actor, now, unique }: Stamp): Decision<"revokeCredential"> {
  switch (record.status) {
    case "revoked":
      return { reply: { credential: credentialView(record, now) }, puts: [] };
    case "spent":
      return {
        problem: problem("conflict", {
          detail: "The credential has been spent; revoke the device that spent it instead.",
          deviceId: record.deviceId,
        }),
      };
    case "issued": {
      const revoked: CredentialRecord = { ...record, status: "revoked", revision: record.revision + 1 };
      const put: Put = { table: "credentials", item: revoked, when: { revision: record.revision } };
      const entry = {
        target: credentialTarget(record.credentialId),
        action: "credential.revoked",
        actor,
        time: now,
        detail: { serialNumber: record.serialNumber },
      } as const;
      return {
        reply: { credential: credentialView(revoked, now) },
        puts: [put, credentialEndPut(record.credentialId, { status: "revoked" }), journalPut(entry, unique)],
      };
    }
  }
}

/** What operators see: never the hash of the secret. */
function credentialView(record: CredentialRecord, now: number): Credential {
  const { credentialId, serialNumber, status, created, createdBy, validUntil, deviceId } = record;
  return {
    credentialId,
    serialNumber,
    status: status === "issued" && validUntil <= now ? "expired" : status,
    created,
    createdBy,
    validUntil,
    ...(deviceId === undefined ? {} : { deviceId }),
  };
}
