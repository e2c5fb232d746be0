const units = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 } as const;

/** Seconds of `90s`, `15m`, `12h`, `7d` or `2w`; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const match = /^([1-9]\d{0,5})([smhdw])$/u.exec(text);
  const unit = Object.entries(units).find(([name]) => name === match?.[2])?.[1];
  return match && unit ? Number(match[1]) * unit : undefined;
}

/** `2026-11-23T06:30:00Z` */
export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}
