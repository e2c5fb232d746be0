import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { repository } from "../local/repository.ts";
import type { Row } from "./row.ts";

const path = join(repository, "bench/ratios.json");
/** Machines differ, so only what is worse by a quarter counts. */
const tolerance = 1.25;

/** A ratio with an aim, of a run that was accepted. */
export type Accepted = {
  readonly group: string;
  readonly name: string;
  readonly peerName: string;
  readonly ratio: number;
  /** Whether the aim is a most or a least. */
  readonly aim: "most" | "least";
  readonly bound: number;
};

export async function readAccepted(): Promise<readonly Accepted[]> {
  return JSON.parse(await readFile(path, "utf8")) as readonly Accepted[];
}

/**
 * Compares a run with what was accepted, or takes it.
 * @returns as `compareRatios`
 */
export async function checkRatios(rows: readonly Row[], accept: boolean): Promise<string[]> {
  const known = await readAccepted();
  if (!accept) return compareRatios(rows, known);
  const others = known.filter((before) => !isOfRun(rows, before));
  await writeFile(path, `${JSON.stringify([...rows.flatMap(toAccepted), ...others], null, 2)}\n`);
  return [];
}

/**
 * A missed aim is no news every night; a figure that became worse than it was is.
 * @returns a line for each that is worse than what was accepted, was not accepted yet, or is not measured any more
 */
export function compareRatios(rows: readonly Row[], known: readonly Accepted[]): string[] {
  const measured = rows.flatMap(toAccepted);
  const worse = measured.flatMap((row) => {
    const before = known.find((candidate) => isSame(row, candidate));
    if (!before) return [`${row.name}: ${row.ratio}, and nothing was accepted yet`];
    const factor = row.aim === "most" ? row.ratio / before.ratio : before.ratio / row.ratio;
    return factor > tolerance ? [`${row.name}: ${row.ratio}, accepted was ${before.ratio}`] : [];
  });
  const gone = known.filter((before) => isOfRun(rows, before) && !measured.some((row) => isSame(row, before)));
  return [...worse, ...gone.map(({ name }) => `${name}: accepted, and not measured any more`)];
}

/** Whether its group was measured. */
function isOfRun(rows: readonly Row[], { group }: Accepted): boolean {
  return rows.some((row) => row.group === group);
}

function toAccepted({ group, name, peerName, ratio, aim }: Row): Accepted[] {
  const [, sign, bound] = /^ratio (≤|≥) (\S+)$/.exec(aim ?? "") ?? [];
  if (bound === undefined || ratio === null || peerName === null) return [];
  return [{ group, name, peerName, ratio, aim: sign === "≤" ? "most" : "least", bound: Number(bound) }];
}

function isSame(a: Accepted, b: Accepted): boolean {
  return a.group === b.group && a.name === b.name && a.peerName === b.peerName;
}
