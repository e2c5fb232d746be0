import { problem } from "@sealpost/protocol/messages/problems.ts";

import { withoutRelease, targetOf } from "../releases/offers.ts";
import { journalPut } from "../registry/journal.ts";
import type { Put } from "../store/port.ts";
import {
  type OffersRecord,
  type ReleaseRecord,
  offersRecordSchema,
  parseRecord,
  releaseRecordSchema,
} from "../store/records.ts";
import { type Answer, type Call, type Decision, type Stamp, commit } from "./act.ts";
import type { OperatorPorts } from "./ports.ts";
import { offersKey, releaseView, targetsOf } from "./releases.ts";

export async function withdrawRelease(
  call: Call<"withdrawRelease">,
  { store }: OperatorPorts,
): Promise<Answer<"withdrawRelease">> {
  const { model, hardware, counter } = call.request;
  return commit(store, async () => {
    const [named] = await store.read([releaseKey(targetOf(model, hardware), counter)]);
    if (!named) return { problem: problem("not-found", { detail: "There is no release with this counter." }) };
    const targets = targetsOf(parseRecord(releaseRecordSchema, named).release);
    const items = await store.read([
      ...targets.map((target) => releaseKey(target, counter)),
      ...targets.map(offersKey),
    ]);
    const releases = items.slice(0, targets.length).map((item) => parseRecord(releaseRecordSchema, item ?? {}));
    const offers = items.slice(targets.length).map((item) => parseRecord(offersRecordSchema, item ?? {}));
    return decideWithdrawal(releases, offers, call);
  });
}

/**
 * @param releases the release on each of its hardware revisions
 * @param offers of each, in the same order
 */
function decideWithdrawal(
  releases: readonly ReleaseRecord[],
  offers: readonly OffersRecord[],
  { actor, now, unique }: Stamp,
): Decision<"withdrawRelease"> {
  const [first] = releases;
  if (!first) return { problem: problem("not-found") };
  if (first.withdrawn) return { reply: { release: releaseView(first) }, puts: [] };
  const withdrawn = { at: now, by: actor };
  const puts = [
    ...releases.flatMap((release): Put[] => {
      const { counter, version, object } = release.release;
      const entry = {
        target: `release#${release.target}`,
        action: "release.withdrawn",
        actor,
        time: now,
        detail: { counter, version, object },
      } as const;
      const item: ReleaseRecord = { ...release, withdrawn, revision: release.revision + 1 };
      return [{ table: "releases", item, when: { revision: release.revision } }, journalPut(entry, unique)];
    }),
    ...offers.map((before): Put => {
      const left = withoutRelease(before.offers, first.counter);
      const item: OffersRecord = { ...before, revision: before.revision + 1, offers: [...left] };
      return { table: "releases", item, when: { revision: before.revision } };
    }),
  ];
  return { reply: { release: releaseView({ ...first, withdrawn }) }, puts };
}

function releaseKey(target: string, counter: number) {
  return { table: "releases", key: { target, counter } } as const;
}
