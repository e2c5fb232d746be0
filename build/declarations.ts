import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";

export interface Declarations {
  /** Where the compiler put its declarations, under the room's own folder. */
  readonly from: string;
  readonly to: string;
  /** The public files, such as `index.d.ts`. */
  readonly entries: readonly string[];
  /** Packages whose types may be shown, because whoever installs this one has them. */
  readonly peers?: readonly string[];
}

/** Copies the declarations that the public ones reach, for a package whose own code is bundled. */
export async function copyDeclarations({ from, to, entries, peers = [] }: Declarations): Promise<void> {
  const pending = [...entries];
  const copied = new Set<string>();
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    if (copied.has(file)) continue;
    copied.add(file);
    const text = await readFile(join(from, file), "utf8");
    for (const [, target = ""] of text.matchAll(/(?:from|import\()\s*"([^"]+)"/g)) {
      if (peers.some((peer) => target === peer || target.startsWith(`${peer}/`))) continue;
      const next = relative(from, join(from, dirname(file), target.replace(/\.ts$/, ".d.ts")));
      if (!target.startsWith(".") || next.startsWith("..")) {
        throw new Error(`${file} shows the type of ${target}, which is not published`);
      }
      pending.push(next);
    }
    const published = join(to, file);
    await mkdir(dirname(published), { recursive: true });
    await writeFile(published, text.replace(/(["'])(\.[^"']+)\.ts\1/g, "$1$2.js$1"));
  }
}
