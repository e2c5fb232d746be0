import { rm } from "node:fs/promises";
import { join } from "node:path";

import { build } from "esbuild";

import { writeLicences } from "../build/licences.ts";
import { programOptions } from "../build/program.ts";

/** Makes `dist/`: what the published package holds. Everything is bundled; whoever installs it installs nothing else. */

const here = import.meta.dirname;
const root = join(here, "..");
const dist = join(here, "dist");

await rm(dist, { recursive: true, force: true });
const { metafile } = await build({
  ...programOptions,
  absWorkingDir: root,
  entryPoints: [join(here, "cli.ts")],
  outdir: dist,
  // What few need (single sign-on, web identity) is read when it is needed.
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
});
await writeLicences([metafile], root, join(dist, "LICENSES"));
