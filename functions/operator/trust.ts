import { X509Certificate, createPublicKey } from "node:crypto";

import type { CoSigned } from "@sealpost/protocol/documents/co-signed.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { type SigningJwk } from "@sealpost/protocol/suites/suites.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import { problem } from "@sealpost/protocol/messages/problems.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";
import { type TrustClaims, followTrust, readStatedTrust, readTrust } from "@sealpost/protocol/documents/trust.ts";

import { journalPut } from "../registry/journal.ts";
import type { Put, Store } from "../store/port.ts";
import { type TrustRecord, parseRecord, trustRecordSchema } from "../store/records.ts";
import { type Answer, type Call, type Decision, type Stamp, commit } from "./act.ts";
import { type Parsed, invalid } from "./call.ts";
import type { OperatorPorts } from "./ports.ts";

/** The stored chain, and what its newest document says. */
export type StoredTrust = { readonly record: TrustRecord; readonly claims: TrustClaims };

export async function readStoredTrust(store: Pick<Store, "read">): Promise<Parsed<StoredTrust>> {
  const [item] = await store.read([{ table: "trust", key: { item: "trust" } }]);
  const record = item && parseRecord(trustRecordSchema, item);
  if (!record) return { problem: problem("not-trusted-yet", { detail: "Devices would have nothing to believe." }) };
  return { value: { record, claims: readTrust(record.chain) } };
}

export async function showTrust(_: Call<"showTrust">, { store }: OperatorPorts): Promise<Answer<"showTrust">> {
  const trust = await readStoredTrust(store);
  if ("problem" in trust) return trust;
  const { version, chain } = trust.value.record;
  return { reply: { version, chain } };
}

export async function publishTrust(
  call: Call<"publishTrust">,
  { store, serviceId }: OperatorPorts,
): Promise<Answer<"publishTrust">> {
  return commit(store, async () => {
    const stored = await readStoredTrust(store);
    return decideTrust(call.request.document, "value" in stored ? stored.value : undefined, serviceId, call);
  });
}

/**
 * Takes the next trust document: what a device that believes the stored one would follow, and one that devices can live by. Signatures decide,
 * not permissions: nobody who may only write here can publish one.
 */
async function decideTrust(
  document: CoSigned,
  stored: StoredTrust | undefined,
  serviceId: string,
  { actor, now, unique }: Stamp,
): Promise<Decision<"publishTrust">> {
  let claims: TrustClaims;
  try {
    claims = readStatedTrust(document);
    if (claims.iss !== serviceId) return invalid("document.iss", `The document must name the service ${serviceId}.`);
    const version = (stored?.record.version ?? 0) + 1;
    if (claims.version !== version) {
      return {
        problem: problem("conflict", { detail: `The next version is ${version}.`, field: "document.version", version }),
      };
    }
    await followTrust([document], [await thumbprint(claims.root)], stored?.claims);
  } catch (error) {
    if (!isTokenError(error)) throw error;
    return invalid(
      "document",
      `The document does not follow from what devices believe (${error.code}, ${error.detail}).`,
    );
  }
  const unfit = await unfitMember(claims, now);
  if (unfit) return invalid(`document.${unfit.member}`, unfit.detail);

  const kept = stored ? linksOf(stored.record.chain) : [];
  const chain = [...kept, document];
  if (JSON.stringify(chain).length > limits.trustChainBytes) {
    return {
      problem: problem("conflict", {
        detail: `The documents that devices must follow would exceed ${limits.trustChainBytes} bytes.`,
      }),
    };
  }
  const record: TrustRecord = {
    item: "trust",
    revision: (stored?.record.revision ?? -1) + 1,
    version: claims.version,
    chain,
  };
  const put: Put = { table: "trust", item: record, when: stored ? { revision: stored.record.revision } : "absent" };
  const entry = {
    target: "trust",
    action: "trust.published",
    actor,
    time: now,
    detail: { version: claims.version, document },
  } as const;
  return { reply: { version: claims.version }, puts: [put, journalPut(entry, unique)] };
}

/**
 * The documents of a chain that later ones need: each that changed the root or the standby, since either may sign the next change. The newest,
 * if it is not one of them, is replaced by the next.
 */
function linksOf(chain: readonly CoSigned[]): CoSigned[] {
  const newest = chain.at(-1);
  const before = chain.at(-2);
  if (!newest || !before) return [...chain];
  const same = JSON.stringify(rootsOf(readTrust([newest]))) === JSON.stringify(rootsOf(readTrust([before])));
  return same ? chain.slice(0, -1) : [...chain];
}

function rootsOf({ root, standby }: TrustClaims) {
  return [root, standby].map((jwk) => jwk && [jwk.x, jwk.y]);
}

/** What the signatures do not say: that devices could live by the document. */
async function unfitMember(
  claims: TrustClaims,
  now: number,
): Promise<{ readonly member: string; readonly detail: string } | undefined> {
  if (claims.iat > now + limits.clockSkewSeconds)
    return { member: "iat", detail: "The document is dated in the future." };
  if (claims.releaseThreshold > claims.releaseKeys.length) {
    return { member: "releaseThreshold", detail: "More release keys must sign than there are." };
  }
  const ca = issuingCaOf(claims);
  if (!ca)
    return { member: "issuingCa", detail: "The issuing CA's certificate is not a CA certificate signed by the root." };
  const { root, standby, keySetKeys, receiptKeys, releaseKeys } = claims;
  const keys = [root, ...(standby ? [standby] : []), ca, ...keySetKeys, ...receiptKeys, ...releaseKeys];
  const prints = await Promise.all(keys.map(thumbprint));
  if (new Set(prints).size < prints.length) return { member: "keys", detail: "No key may serve two purposes." };
  return undefined;
}

function issuingCaOf({ issuingCa, root }: TrustClaims): SigningJwk | undefined {
  try {
    const certificate = new X509Certificate(Buffer.from(issuingCa, "base64"));
    const signed = certificate.verify(createPublicKey({ key: root, format: "jwk" }));
    const { kty, crv, x, y } = certificate.publicKey.export({ format: "jwk" });
    if (!signed || !certificate.ca || kty !== "EC" || crv !== "P-256" || !x || !y) return undefined;
    return { kty, crv, x, y };
  } catch {
    return undefined;
  }
}
