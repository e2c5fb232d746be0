import { randomBytes } from "node:crypto";

import type { SpoolEntry } from "../ports.ts";

/**
 * The name of an entry says all that has to be known without opening it: `<order>-<random>-<records>-<bytes>-<stream>.<state>`, the id being all
 * but the state. A change of state is a rename, which one of several processes wins.
 */
export type SpoolFile = SpoolEntry & {
  readonly order: number;
  /** `taken`: about to be sent. `dropped`: not counted yet, or counted and not removed yet. */
  readonly state: SpoolFileState;
};
export type SpoolFileState = "readings" | "taken" | "dropped";

const orderDigits = 12;
const pattern = /^((\d{12})-[0-9a-f]{12}-(\d{1,9})-(\d{1,12})-([a-z][a-z0-9.-]{0,63}))\.(readings|taken|dropped)$/;

/** @returns null for what is no entry */
export function parseSpoolName(name: string): SpoolFile | null {
  const [, id = "", order, records, bytes, stream = "", state] = pattern.exec(name) ?? [];
  if (state !== "readings" && state !== "taken" && state !== "dropped") return null;
  return { id, order: Number(order), records: Number(records), bytes: Number(bytes), stream, state };
}

export function spoolName({ id, state }: Pick<SpoolFile, "id" | "state">): string {
  return `${id}.${state}`;
}

/** Random, so that two processes that take the same place do not take the same name. */
export function newSpoolId({ order, records, bytes, stream }: Omit<SpoolFile, "id" | "state">): string {
  const place = String(order).padStart(orderDigits, "0");
  return `${place}-${randomBytes(6).toString("hex")}-${records}-${bytes}-${stream}`;
}

/** Oldest first. Entries of one place were appended by different processes at the same time: any order will do, but the same one for all. */
export function byAge(a: SpoolFile, b: SpoolFile): number {
  return a.order - b.order || (a.id < b.id ? -1 : 1);
}
