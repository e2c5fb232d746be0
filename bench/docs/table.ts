/** A table of Markdown, as oxfmt lays it out. */
export function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((cell, n) => Math.max(3, cell.length, ...lines.map((line) => line[n]?.length ?? 0)));
  const row = (line: readonly string[]) => `| ${line.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join(" | ")} |`;
  return [row(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...lines.map(row)].join("\n");
}

/**
 * A text with what is between its markers replaced.
 * @throws where it has no such section
 */
export function withSection(text: string, [begin, end]: readonly [string, string], section: string): string {
  const [before, rest = ""] = text.split(begin);
  const [, after] = rest.split(end);
  if (before === undefined || after === undefined) throw new Error(`no section between ${begin} and ${end}`);
  return `${before}${begin}\n\n${section}\n\n${end}${after}`;
}
