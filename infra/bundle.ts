import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";

import { build } from "esbuild";
import type { BuildOptions, Metafile } from "esbuild";

import { functionCodeIn, functionEntries, functionNames } from "./function-code.ts";
import type { FunctionCode, FunctionName } from "./function-code.ts";

/** A CommonJS dependency that calls `require` has none in an ES module: Node's own way to make one. */
const requireBanner = 'import{createRequire}from"node:module";const require=createRequire(import.meta.url);';

const repository = join(import.meta.dirname, "..");

/**
 * Bundles each entry with everything it imports, the AWS SDK too, into `<outDirectory>/<name>/index.mjs` and the chunks that it
 * imports on demand.
 *
 * @param entries paths of TypeScript files, from the root of the repository
 * @param bundled told what each function is made of, for the licences of it
 * @returns the directories, absolute, for `Code.fromAsset`
 * @throws when an entry does not exist or does not bundle; the message names it
 */
export async function bundleFunctions(
  entries: Readonly<Record<FunctionName, string>> = functionEntries,
  outDirectory = join(repository, "dist/functions"),
  bundled: (metafile: Metafile) => void = () => {},
): Promise<FunctionCode> {
  const missing = Object.entries(entries).filter(([, entry]) => !existsSync(resolve(repository, entry)));
  if (missing.length > 0) {
    const list = missing.map(([name, entry]) => `${name} (${entry})`).join(", ");
    throw new Error(`no entry file for ${list}: correct infra/function-code.ts`);
  }
  const code = functionCodeIn(resolve(outDirectory));
  const bundle = async (name: FunctionName) =>
    bundled(await bundleFunction(resolve(repository, entries[name]), code[name]));
  await Promise.all(functionNames.map(bundle));
  return code;
}

/** One of them; @param entry absolute path */
export async function bundleFunction(entry: string, directory: string): Promise<Metafile> {
  await rm(directory, { recursive: true, force: true }); // the asset is the whole directory
  const options = {
    absWorkingDir: repository,
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
  return metafile;
}
