/**
 * Columns of text, as wide as their widest cell, for people. What lists show is ASCII by its schemas, so characters are cells.
 * @param columns of the terminal; without one nothing is cut
 */
export function table(headings: readonly string[], rows: readonly (readonly string[])[], columns = Infinity): string {
  const lines = [headings, ...rows];
  const natural = headings.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const widths = fit(natural, columns - gap.length * (headings.length - 1));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cut(cell, widths[column] ?? 0).padEnd(widths[column] ?? 0))
        .join(gap)
        .trimEnd(),
    )
    .join("\n");
}

const gap = "  ";
/** A column that is narrower says nothing. */
const narrowest = 6;

/** Takes from the widest column until all fit, or none can give. */
function fit(natural: readonly number[], available: number): readonly number[] {
  const widths = [...natural];
  for (let excess = sum(widths) - available; excess > 0; excess = sum(widths) - available) {
    const widest = Math.max(...widths);
    if (widest <= narrowest) break;
    widths[widths.indexOf(widest)] = widest - 1;
  }
  return widths;
}

function cut(cell: string, width: number): string {
  return cell.length <= width ? cell : `${cell.slice(0, width - 1)}…`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** One member a line, its name first; what is undefined is left out. */
export function record(members: { readonly [name: string]: string | number | undefined }): string {
  const present = Object.entries(members).filter(([, value]) => value !== undefined);
  const width = Math.max(...present.map(([name]) => name.length));
  return present.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}
