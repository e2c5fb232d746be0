import type { OffersRecord } from "../store/records.ts";

/** Partition of the releases table: what one model and hardware is offered. */
export function targetOf(model: string, hardware: string): string {
  return `${model}#${hardware}`;
}

/** A release that a target may be offered: its counter and when it expires. */
type Offered = OffersRecord["offers"][number];

/** Of the newest that have not expired; they keep the item that every check reads below one read unit. */
const most = 64;

/** What the target may be offered once this release is published, newest first. */
export function withRelease(offers: readonly Offered[], release: Offered, now: number): readonly Offered[] {
  return [{ counter: release.counter, exp: release.exp }, ...offers].filter(({ exp }) => exp > now).slice(0, most);
}

/** What the target may be offered once a release is withdrawn. */
export function withoutRelease(offers: readonly Offered[], counter: number): readonly Offered[] {
  return offers.filter((offered) => offered.counter !== counter);
}

/** The newest that is valid now: an older one too, where those above it have expired. */
export function newestValid(offers: readonly Offered[], now: number): Offered | undefined {
  return offers.find(({ exp }) => exp > now);
}
