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
 * A missed aim is no news every night; a figure that became worse than it was is.
 * @param accept whether to take them as they are
 * @returns a line for each that is worse than what was accepted, or was not accepted yet
 */
export async function checkRatios(rows: readonly Row[], accept: boolean): Promise<string[]> {
  const measured = rows.flatMap(toAccepted);
  const known = await readAccepted();
  if (accept) {
    const others = known.filter((before) => !measured.some((row) => isSame(row, before)));
    await writeFile(path, `${JSON.stringify([...measured, ...others], null, 2)}\n`);
    return [];
  }
  return measured.flatMap((row) => {
    const before = known.find((candidate) => isSame(row, candidate));
    if (!before) return [`${row.name}: ${row.ratio}, and nothing was accepted yet`];
    const factor = row.aim === "most" ? row.ratio / before.ratio : before.ratio / row.ratio;
    return factor > tolerance ? [`${row.name}: ${row.ratio}, accepted was ${before.ratio}`] : [];
  });
}

function toAccepted({ group, name, peerName, ratio, aim }: Row): Accepted[] {
  const [, sign, bound] = /^ratio (≤|≥) (\S+)$/.exec(aim ?? "") ?? [];
  if (bound === undefined || ratio === null || peerName === null) return [];
  return [{ group, name, peerName, ratio, aim: sign === "≤" ? "most" : "least", bound: Number(bound) }];
}

function isSame(a: Accepted, b: Accepted): boolean {
  return a.group === b.group && a.name === b.name && a.peerName === b.peerName;
}
