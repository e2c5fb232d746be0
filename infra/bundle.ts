import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { resolve } from "node:path";

import { build } from "esbuild";
import type { BuildOptions } from "esbuild";

import { functionEntries } from "./function-code.ts";
import type { FunctionCode, FunctionName } from "./function-code.ts";

/** A CommonJS dependency that calls `require` has none in an ES module: Node's own way to make one. */
const requireBanner = 'import{createRequire}from"node:module";const require=createRequire(import.meta.url);';

/**
 * Bundles each entry with everything it imports, the AWS SDK too, into `<outDirectory>/<name>/index.mjs` and the chunks that it
 * imports on demand.
 *
 * @param entries paths of TypeScript files, relative to the working directory
 * @returns the directories, absolute, for `Code.fromAsset`
 * @throws when an entry does not exist or does not bundle; the message names it
 */
export async function bundleFunctions(
  entries: Readonly<Record<FunctionName, string>> = functionEntries,
  outDirectory = "dist/functions",
): Promise<FunctionCode> {
  const missing = Object.entries(entries).filter(([, entry]) => !existsSync(entry));
  if (missing.length > 0) {
    const list = missing.map(([name, entry]) => `${name} (${entry})`).join(", ");
    throw new Error(`no entry file for ${list}: run from the root of the repo, or correct infra/function-code.ts`);
  }
  const bundle = (name: FunctionName) => bundleFunction(entries[name], resolve(outDirectory, name));
  const [bootstrap, messages, sign, read, operator] = await Promise.all([
    bundle("bootstrap"),
    bundle("messages"),
    bundle("keyset-sign"),
    bundle("keyset-read"),
    bundle("operator"),
  ]);
  return { bootstrap, messages, "keyset-sign": sign, "keyset-read": read, operator };
}

async function bundleFunction(entry: string, directory: string): Promise<string> {
  await rm(directory, { recursive: true, force: true }); // the asset is the whole directory
  const options = {
    entryPoints: { index: entry },
    outdir: directory,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    // What is imported on demand (the SDK's other ways to credentials, certificates) is not parsed at a cold start.
    splitting: true,
    chunkNames: "[name]-[hash]",
    platform: "node",
    target: "node24",
    format: "esm",
    // esbuild's own default for Node prefers CommonJS, which it cannot shake: 630 kB instead of 415 kB with the SDK.
    mainFields: ["module", "main"],
    minify: true,
    legalComments: "none",
    logLevel: "silent",
    metafile: true,
  } as const satisfies BuildOptions;
  const { metafile } = await build(options);
  const requires = Object.values(metafile.outputs).some(({ imports }) =>
    imports.some(({ external, kind }) => external && kind === "require-call"),
  );
  if (requires) await build({ ...options, banner: { js: requireBanner } });
  return directory;
}
