import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { build } from "esbuild";

import { copyDeclarations } from "../build/declarations.ts";
import { writeLicences } from "../build/licences.ts";
import { programOptions } from "../build/program.ts";

/** Makes `dist/`: what the published package holds. Everything is bundled; whoever installs it installs nothing else. */

const here = import.meta.dirname;
const root = join(here, "..");
const dist = join(here, "dist");
const types = join(dist, "types");

await rm(dist, { recursive: true, force: true });
const sdk = await build({
  ...programOptions,
  banner: {},
  minify: false,
  absWorkingDir: root,
  outdir: dist,
  entryPoints: entries("index.ts", "node.ts"),
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
});
const cli = await build({ ...programOptions, absWorkingDir: root, outdir: dist, entryPoints: entries("cli.ts") });
await writeLicences([sdk.metafile, cli.metafile], root, join(dist, "LICENSES"));
await promisify(execFile)("npx", ["tsc", "-p", join(here, "tsconfig.json")], { cwd: here });
await copyDeclarations({ from: join(types, "device"), to: dist, entries: ["index.d.ts", "node.d.ts"] });
await rm(types, { recursive: true });

function entries(...files: string[]): string[] {
  return files.map((file) => join(here, file));
}
