import { rm } from "node:fs/promises";
import { join } from "node:path";

import { build } from "esbuild";

import { writeLicences } from "../build/licences.ts";

/** Makes `dist/`: what the published package holds. Everything is bundled; whoever installs it installs nothing else. */

const here = import.meta.dirname;
const root = join(here, "..");
const dist = join(here, "dist");

await rm(dist, { recursive: true, force: true });
// What is bundled as CommonJS requires what Node brings.
const js = 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);';
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: [join(here, "cli.ts")],
  outdir: dist,
  bundle: true,
  // What few need (single sign-on, web identity) is read when it is needed.
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
  format: "esm",
  platform: "node",
  target: "node20",
  mainFields: ["module", "main"],
  banner: { js },
  minify: true,
  logLevel: "warning",
  metafile: true,
});
await writeLicences([metafile], root, join(dist, "LICENSES"));
