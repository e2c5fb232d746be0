import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { type BuildOptions, build } from "esbuild";

/** Makes `dist/`: what the published package holds. Everything is bundled; whoever installs it installs nothing else. */

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const types = join(dist, "types");

await rm(dist, { recursive: true, force: true });
const options: BuildOptions = {
  outdir: dist,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  mainFields: ["module", "main"],
  logLevel: "warning",
};
await build({
  ...options,
  entryPoints: entries("index.ts", "node.ts"),
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
});
// commander is CommonJS and requires what Node brings.
const js = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
await build({ ...options, entryPoints: entries("cli.ts"), banner: { js }, minify: true });
await promisify(execFile)("npx", ["tsc", "-p", join(here, "tsconfig.json")], { cwd: here });
await copyDeclarations(["index.d.ts", "node.d.ts"]);
await rm(types, { recursive: true });

function entries(...files: string[]): string[] {
  return files.map((file) => join(here, file));
}

/** The declarations that the public ones reach. All of them are ours: a consumer has none of what is bundled. */
async function copyDeclarations(entries: readonly string[]): Promise<void> {
  const pending = [...entries];
  const copied = new Set<string>();
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    if (copied.has(file)) continue;
    copied.add(file);
    const text = await readFile(join(types, "device", file), "utf8");
    for (const [, target = ""] of text.matchAll(/(?:from|import\()\s*"([^"]+)"/g)) {
      if (!target.startsWith(".")) throw new Error(`${file} shows the type of ${target}, which is not published`);
      pending.push(relative(here, join(here, dirname(file), target.replace(/\.ts$/, ".d.ts"))));
    }
    const published = join(dist, file);
    await mkdir(dirname(published), { recursive: true });
    await writeFile(published, text.replace(/(["'])(\.[^"']+)\.ts\1/g, "$1$2.js$1"));
  }
}
