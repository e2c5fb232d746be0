import type { UpdateProgress } from "../firmware/firmware-offer.ts";

const width = 28;

/** A bar that draws over itself on a terminal, a line at every tenth elsewhere. */
export function progressLine(label: string, enabled: boolean): (progress: UpdateProgress) => void {
  let tenth = -1;
  return ({ done, total }) => {
    if (!enabled) return;
    const share = done / total;
    const amount = `${formatBytes(done)} of ${formatBytes(total)}`;
    if (process.stderr.isTTY) {
      const filled = Math.round(share * width);
      const bar = "█".repeat(filled) + "░".repeat(width - filled);
      process.stderr.write(`\r\u001b[2K${label} ${bar} ${amount}${done === total ? "\n" : ""}`);
      return;
    }
    const reached = Math.floor(share * 10);
    if (reached === tenth) return;
    tenth = reached;
    process.stderr.write(`${label}: ${Math.floor(share * 100)} % (${amount})\n`);
  };
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ["KiB", "MiB", "GiB"];
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), units.length);
  return `${(bytes / 1024 ** power).toFixed(1)} ${units[power - 1]}`;
}
