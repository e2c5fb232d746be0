import { type CoSigned } from "@sealpost/protocol/documents/co-signed.ts";
import { type ManifestClaims, publishedHardwareSchema } from "@sealpost/protocol/exchanges/firmware.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import { openManifest } from "@sealpost/protocol/documents/manifest.ts";
import type { Release } from "@sealpost/protocol/operator/releases.ts";
import { type Problem, problem } from "@sealpost/protocol/messages/problems.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";
import type { TrustClaims } from "@sealpost/protocol/documents/trust.ts";

import { journalPut } from "../registry/journal.ts";
import type { Key, Put, Store } from "../store/port.ts";
import { withRelease, targetOf } from "../releases/offers.ts";
import {
  type OffersRecord,
  type ReleaseRecord,
  offersRecordSchema,
  parseRecord,
  releaseRecordSchema,
} from "../store/records.ts";
import { type Answer, type Call, type Decision, type Stamp, commit } from "./act.ts";
import { type Parsed, invalid } from "./call.ts";
import type { OperatorPorts } from "./ports.ts";
import { listPartitions } from "./shards.ts";
import { readStoredTrust } from "./trust.ts";

/** Releases are few: their list index has one partition. */
const listShard = "0";
/** Counter of the item that says what its target is offered. */
const offersCounter = 0;

/** A release as published: its manifest, what the manifest says, and its key. */
export type Publication = { readonly manifest: CoSigned; readonly claims: ManifestClaims; readonly wrappedKey: string };

export async function publishRelease(
  call: Call<"publishRelease">,
  { store }: OperatorPorts,
): Promise<Answer<"publishRelease">> {
  const trust = await readStoredTrust(store);
  if ("problem" in trust) return trust;
  const { manifest, wrappedKey } = call.request;
  const claims = await openedManifest(manifest, trust.value.claims);
  if ("problem" in claims) return claims;
  const publication = { manifest, wrappedKey, claims: claims.value };
  return commit(store, async () => {
    const items = await store.read(targetsOf(claims.value).map(offersKey));
    const offers = items.map((item) => item && parseRecord(offersRecordSchema, item));
    const decision = decideRelease(publication, offers, call);
    if ("problem" in decision || call.request.again) return decision;
    const same = await sameAsNewest(store, claims.value, offers);
    return same ? { problem: same } : decision;
  });
}

/** Published twice by mistake, an image would be flashed twice by a whole fleet. */
async function sameAsNewest(
  store: Pick<Store, "read">,
  claims: ManifestClaims,
  offers: readonly (OffersRecord | undefined)[],
): Promise<Problem | undefined> {
  const newest = offers.flatMap((record): Key[] =>
    record ? [{ table: "releases", key: { target: record.target, counter: record.highest } }] : [],
  );
  const records = (await store.read(newest)).flatMap((item) => (item ? [parseRecord(releaseRecordSchema, item)] : []));
  const same = records.find(
    ({ release, withdrawn }) => !withdrawn && release.sha256 === claims.sha256 && release.version === claims.version,
  );
  if (!same) return undefined;
  return problem("conflict", {
    detail: `${same.target} is offered this image as ${claims.version} already, with counter ${same.counter}.`,
    field: "manifest",
    counter: same.counter,
  });
}

/**
 * @param offers of each hardware of the manifest, in its order
 */
export function decideRelease(
  { manifest, claims, wrappedKey }: Publication,
  offers: readonly (OffersRecord | undefined)[],
  { actor, now, unique }: Stamp,
): Decision<"publishRelease"> {
  const { model, hardware, version, counter, size, sha256, object, exp, iat } = claims;
  if (exp <= now) return invalid("manifest.exp", "The manifest has expired.");
  if (iat > now + limits.clockSkewSeconds) return invalid("manifest.iat", "The manifest is dated in the future.");
  if (!publishedHardwareSchema.safeParse(hardware).success)
    return invalid("manifest.hardware", "A manifest names 1 to 16 hardware revisions, as devices register them.");
  if (new Set(hardware).size < hardware.length)
    return invalid("manifest.hardware", "The manifest names a hardware twice.");
  const manifestBytes = manifest.reduce((sum, token) => sum + token.length, 0);
  if (manifestBytes > limits.firmware.manifestBytes) {
    return invalid("manifest", `A manifest has at most ${limits.firmware.manifestBytes} characters.`);
  }
  const highest = Math.max(0, ...offers.map((record) => record?.highest ?? 0));
  if (counter <= highest) {
    return {
      problem: problem("conflict", {
        detail: `The release counter must be above ${highest}, which is published for this model and hardware.`,
        field: "manifest.counter",
        highest,
      }),
    };
  }
  const shared: Omit<ReleaseRecord, "target" | "revision"> = {
    counter,
    at: `${new Date(now * 1000).toISOString()}#${object}`,
    release: { counter, version, model, hardware, size, sha256, object, exp },
    manifest,
    wrappedKey,
    publishedBy: actor,
  };
  const puts = targetsOf(claims).flatMap((target, position): Put[] => {
    const before = offers[position];
    // One item of each release is in the list index: the one of its first hardware.
    const release: ReleaseRecord = {
      ...shared,
      target,
      revision: 0,
      ...(position === 0 ? { shard: listShard } : {}),
    };
    const offered: OffersRecord = {
      target,
      counter: offersCounter,
      revision: (before?.revision ?? -1) + 1,
      highest: counter,
      offers: [...withRelease(before?.offers ?? [], { counter, exp }, now)],
    };
    const entry = {
      target: `release#${target}`,
      action: "release.published",
      actor,
      time: now,
      detail: { counter, version, size, sha256, object, exp },
    } as const;
    return [
      { table: "releases", item: release, when: "absent" },
      { table: "releases", item: offered, when: before ? { revision: before.revision } : "absent" },
      journalPut(entry, unique),
    ];
  });
  return { reply: { release: releaseView(shared) }, puts };
}

export async function listReleases(
  { query }: Call<"listReleases">,
  { store }: OperatorPorts,
): Promise<Answer<"listReleases">> {
  const { model, hardware, ...paging } = query;
  if ((model === undefined) !== (hardware === undefined)) {
    return invalid(model === undefined ? "model" : "hardware", "model and hardware are given together.");
  }
  const partition =
    model === undefined || hardware === undefined
      ? ({ index: "list", partition: ["shard", listShard] } as const)
      : ({ partition: ["target", targetOf(model, hardware)] } as const);
  const page = await listPartitions(store, [{ table: "releases", descending: true, ...partition }], paging);
  if ("problem" in page) return page;
  const { items, ...rest } = page.value;
  const releases = items
    .filter(({ counter }) => counter !== offersCounter)
    .map((item) => releaseView(parseRecord(releaseRecordSchema, item)));
  const trust = await readStoredTrust(store);
  const signing = "value" in trust ? { signing: await signingOf(trust.value.claims) } : {};
  return { reply: { releases, ...rest, ...signing } };
}

async function openedManifest(manifest: CoSigned, trust: TrustClaims): Promise<Parsed<ManifestClaims>> {
  try {
    return { value: await openManifest(manifest, trust) };
  } catch (error) {
    if (!isTokenError(error)) throw error;
    const needed = `${trust.releaseThreshold} of the ${trust.releaseKeys.length} release keys of the trust document`;
    return invalid("manifest", `The manifest is not a valid one signed by ${needed} (${error.code}, ${error.detail}).`);
  }
}

async function signingOf({ releaseKeys, releaseThreshold }: TrustClaims) {
  return { keys: await Promise.all(releaseKeys.map(thumbprint)), threshold: releaseThreshold };
}

export function targetsOf({ model, hardware }: Pick<ManifestClaims, "model" | "hardware">): string[] {
  return hardware.map((one) => targetOf(model, one));
}

export function offersKey(target: string): Key {
  return { table: "releases", key: { target, counter: offersCounter } };
}

export function releaseView({
  release,
  at,
  publishedBy,
  withdrawn,
}: Pick<ReleaseRecord, "release" | "at" | "publishedBy" | "withdrawn">): Release {
  return { ...release, published: at.split("#", 1)[0] ?? at, publishedBy, ...(withdrawn ? { withdrawn } : {}) };
}
