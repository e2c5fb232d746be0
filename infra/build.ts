import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { build } from "esbuild";
import type { Metafile } from "esbuild";

import { copyDeclarations } from "../build/declarations.ts";
import { writeLicences } from "../build/licences.ts";
import { bundleFunctions } from "./bundle.ts";

/**
 * Makes `dist/`: what the published package holds. The functions are bundled here once, so that whoever deploys them
 * needs neither esbuild nor Docker.
 */

const here = import.meta.dirname;
const root = join(here, "..");
const dist = join(here, "dist");
const types = join(dist, "types");
const peers = ["aws-cdk-lib", "constructs"];
const metafiles: Metafile[] = [];

await rm(dist, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: [join(here, "index.ts")],
  outdir: dist,
  bundle: true,
  external: peers.flatMap((peer) => [peer, `${peer}/*`]),
  format: "esm",
  platform: "node",
  target: "node20",
  mainFields: ["module", "main"],
  logLevel: "warning",
  metafile: true,
});
metafiles.push(metafile);
await bundleFunctions(undefined, join(dist, "functions"), (bundled) => metafiles.push(bundled));
await writeLicences(metafiles, root, join(dist, "LICENSES"));
await promisify(execFile)("npx", ["tsc", "-p", join(here, "tsconfig.build.json")], { cwd: here });
await copyDeclarations({ from: join(types, "infra"), to: dist, entries: ["index.d.ts"], peers });
await rm(types, { recursive: true });
