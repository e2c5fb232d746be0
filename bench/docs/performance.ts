import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { repository } from "../../local/repository.ts";
import { type Accepted, readAccepted } from "../ratios.ts";
import { barChart } from "./chart.ts";
import type { Generated } from "./cost.ts";
import { table, withSection } from "./table.ts";

const path = join(repository, "docs/performance.md");
const chartPath = join(repository, "docs/performance.svg");
const markers = ["<!-- ratios: made by `npm run bench -- --docs` -->", "<!-- /ratios -->"] as const;

/** What the documents say of figures with an aim: those of the last run that was accepted. */
export async function performanceDocuments(): Promise<readonly Generated[]> {
  const accepted = await readAccepted();
  return [
    { path, text: withSection(await readFile(path, "utf8"), markers, ratioTable(accepted)) },
    { path: chartPath, text: ratioChart(accepted) },
  ];
}

function ratioTable(accepted: readonly Accepted[]): string {
  return table(
    ["figure", "against", "ratio", "aim", ""],
    accepted.map(({ name, peerName, ratio, aim, bound }) => [
      name,
      peerName,
      ratio.toFixed(2),
      `${aim === "most" ? "≤" : "≥"} ${bound.toFixed(2)}`,
      isMet({ ratio, aim, bound }) ? "met" : "missed",
    ]),
  );
}

function ratioChart(accepted: readonly Accepted[]): string {
  const met = accepted.filter(isMet).length;
  return barChart({
    title: "Figures beside their aims: up to 1 is met",
    description: `Each ratio divided by its aim; ${met} of ${accepted.length} aims are met.`,
    bars: accepted.map(({ name, ratio, aim, bound }) => {
      const value = aim === "most" ? ratio / bound : bound / ratio;
      return { label: name, value, shown: value.toFixed(2), isOurs: value <= 1 };
    }),
    mark: { value: 1, label: "aim" },
  });
}

function isMet({ ratio, aim, bound }: Pick<Accepted, "ratio" | "aim" | "bound">): boolean {
  return aim === "most" ? ratio <= bound : ratio >= bound;
}
