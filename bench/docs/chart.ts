/** A bar of a chart. */
export type Bar = { readonly label: string; readonly value: number; readonly shown: string; readonly isOurs: boolean };

export type Chart = {
  readonly title: string;
  /** For who cannot see it: what it says in a sentence. */
  readonly description: string;
  readonly bars: readonly Bar[];
  /** A line across all bars. */
  readonly mark?: { readonly value: number; readonly label: string };
};

const width = 760;
const line = 26;
const left = 300;
const right = 90;
const top = 56;

/** Horizontal bars as SVG, the same text for the same figures; colours follow the reader's scheme. */
export function barChart({ title, description, bars, mark }: Chart): string {
  const most = Math.max(...bars.map(({ value }) => value), mark?.value ?? 0);
  const x = (value: number) => left + Math.round(((width - left - right) * value) / most);
  const height = top + bars.length * line + 12;
  const rows = bars.flatMap(({ label, value, shown, isOurs }, n) => {
    const y = top + n * line;
    return [
      `<text x="${left - 10}" y="${y + 13}" text-anchor="end">${escaped(label)}</text>`,
      `<rect class="${isOurs ? "ours" : "other"}" x="${left}" y="${y}" width="${Math.max(1, x(value) - left)}" height="${line - 8}"/>`,
      `<text x="${x(value) + 6}" y="${y + 13}">${escaped(shown)}</text>`,
    ];
  });
  const marked = mark
    ? [
        `<line x1="${x(mark.value)}" y1="${top - 8}" x2="${x(mark.value)}" y2="${height - 8}"/>`,
        `<text x="${x(mark.value)}" y="${top - 12}" text-anchor="middle">${escaped(mark.label)}</text>`,
      ]
    : [];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title description">`,
    `<title id="title">${escaped(title)}</title>`,
    `<desc id="description">${escaped(description)}</desc>`,
    "<style>",
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.head{font-weight:600;font-size:15px}.ours{fill:#0969da}.other{fill:#8c959f}line{stroke:#cf222e;stroke-dasharray:4 3}",
    "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.ours{fill:#4493f8}.other{fill:#6e7681}line{stroke:#f85149}}",
    "</style>",
    `<text class="head" x="10" y="22">${escaped(title)}</text>`,
    ...rows,
    ...marked,
    "</svg>",
    "",
  ].join("\n");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
