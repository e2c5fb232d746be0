import { limits } from "@sealpost/protocol/limits.ts";

import type { Addresses, Enrolled } from "../state/state.ts";

/** The addresses of a device that believes its first trust document. */
export function firstAddresses(messageUrls: readonly string[]): Addresses {
  return remember({ first: [...messageUrls], remembered: [] }, messageUrls);
}

/**
 * Keeps every base of every document that was believed, newest first, so that a document with a mistake in it leads nobody away for good. The
 * oldest is dropped first, but never one of the newest or of the first document.
 * @param newest bases of a verified document: nothing else may add any, or a stranger's relay could
 */
export function remember({ first, remembered }: Addresses, newest: readonly string[]): Addresses {
  const bases = [...new Set([...newest, ...remembered, ...first])];
  const keep = new Set([...newest, ...first]);
  let surplus = bases.length - limits.rememberedBases;
  const kept = bases.toReversed().filter((base) => {
    if (surplus <= 0 || keep.has(base)) return true;
    surplus -= 1;
    return false;
  });
  return { first, remembered: kept.toReversed() };
}

/** Where a message goes, one try after another: the relay that the user named, the newest document's bases in its order, all that are remembered. */
export function tryOrder({ trust, addresses }: Enrolled, via: string | undefined): readonly string[] {
  return [...new Set([...(via === undefined ? [] : [via]), ...trust.messageUrls, ...addresses.remembered])];
}
