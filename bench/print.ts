import type { Row } from "./row.ts";

/** A table for each group: figure and aim, and whether it is reached. */
export function printRows(rows: readonly Row[]): string {
  return [...Map.groupBy(rows, ({ group }) => group)]
    .map(([group, members]) => `${group}\n${table(members)}`)
    .join("\n\n");
}

function table(rows: readonly Row[]): string {
  const lines = [["", "", "ours", "peer", "ratio", "aim", "against"], ...rows.map(cells)];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  const isNumber = (column: number) => column >= 2 && column <= 4;
  return lines
    .map((line) =>
      line
        .map((cell, column) =>
          isNumber(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function cells({ name, unit, ours, peer, peerName, ratio, aim, ok }: Row): string[] {
  const mark = ok === null ? " " : ok ? "✓" : "✗";
  const shown = (value: number | null) => (value === null ? "" : `${value.toLocaleString("en-US")} ${unit}`);
  return [mark, name, shown(ours), shown(peer), ratio === null ? "" : `${ratio} ×`, aim ?? "", peerName ?? ""];
}
