import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { repository } from "../local/repository.ts";
import type { Row } from "./row.ts";

/**
 * Ratios that were accepted, of every row with an aim: an aim that is missed is no news every night, a figure that became worse is. Machines differ, so
 * only what is worse by a quarter counts.
 */
const path = join(repository, "bench/ratios.json");
const tolerance = 1.25;

type Accepted = { [row: string]: number };

/**
 * @param accept whether to take them as they are
 * @returns a line for each that is worse than what was accepted, or was not accepted yet
 */
export async function checkRatios(rows: readonly Row[], accept: boolean): Promise<string[]> {
  const accepted = JSON.parse(await readFile(path, "utf8")) as Accepted;
  const measured = rows.flatMap((row) => (row.aim !== null && row.ratio !== null ? [[row, row.ratio] as const] : []));
  if (accept) {
    const taken = { ...accepted, ...Object.fromEntries(measured.map(([row, ratio]) => [nameOf(row), ratio])) };
    await writeFile(path, `${JSON.stringify(taken, null, 2)}\n`);
    return [];
  }
  return measured.flatMap(([row, ratio]) => {
    const before = accepted[nameOf(row)];
    if (before === undefined) return [`${nameOf(row)}: ${ratio}, and nothing was accepted yet`];
    return isWorse(row, ratio, before) ? [`${nameOf(row)}: ${ratio}, accepted was ${before}`] : [];
  });
}

function nameOf({ group, name, peerName }: Row): string {
  return `${group} / ${name} / ${peerName}`;
}

/** What has a least wants to be large. */
function isWorse({ aim }: Row, ratio: number, before: number): boolean {
  return aim?.includes("≥") ? ratio < before / tolerance : ratio > before * tolerance;
}
