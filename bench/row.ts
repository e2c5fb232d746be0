/** One figure: ours beside a peer's, and what it should be. `.local/bench.json` is a list of them. */
export type Row = {
  readonly group: string;
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  readonly peer: number | null;
  readonly peerName: string | null;
  /** `ours` divided by `peer`. */
  readonly ratio: number | null;
  /** In words: `ratio ≤ 2`, `≤ 300000`; null where a figure is for comparison alone. */
  readonly aim: string | null;
  /** Whether the aim is reached. */
  readonly ok: boolean | null;
};

/** A bound of the figure itself, or of its ratio to the peer's. */
export type Aim =
  | { readonly of: "ratio" | "ours"; readonly most: number }
  | { readonly of: "ratio" | "ours"; readonly least: number };

export type Figure = {
  readonly group: string;
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  readonly peer?: readonly [name: string, value: number];
  readonly aim?: Aim | undefined;
};

export function toRow({ group, name, unit, ours, peer, aim }: Figure): Row {
  const ratio = peer ? ours / peer[1] : null;
  const judged = aim && (aim.of === "ours" ? ours : ratio);
  return {
    group,
    name,
    unit,
    ours: rounded(ours),
    peer: peer ? rounded(peer[1]) : null,
    peerName: peer?.[0] ?? null,
    ratio: ratio === null ? null : rounded(ratio),
    aim: aim ? inWords(aim) : null,
    ok: aim && typeof judged === "number" ? ("most" in aim ? judged <= aim.most : judged >= aim.least) : null,
  };
}

function inWords(aim: Aim): string {
  const bound = "most" in aim ? `≤ ${aim.most}` : `≥ ${aim.least}`;
  return aim.of === "ratio" ? `ratio ${bound}` : bound;
}

/** Three significant digits, whole numbers whole. */
function rounded(value: number): number {
  return Number.isInteger(value) ? value : value >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
}
