import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

import type { Metafile } from "esbuild";
import * as z from "zod/mini";

const manifestSchema = z.object({
  name: z.string(),
  version: z.string(),
  license: z.string(),
  private: z.optional(z.boolean()),
});

/**
 * Writes the licence of every package that esbuild put into a bundle, because most of them ask for their text to go with it.
 * @param root what the paths of the metafiles start from
 * @throws when a package brings no licence text and its licence is another than ours
 */
export async function writeLicences(metafiles: readonly Metafile[], root: string, file: string): Promise<void> {
  const inputs = metafiles.flatMap(({ outputs }) => Object.values(outputs).flatMap(({ inputs }) => usedOf(inputs)));
  const folders = new Set(inputs.map((input) => /^.*\bnode_modules\/(?:@[^/]+\/)?[^/]+/u.exec(input)?.[0]));
  const texts = await Promise.all(
    [...folders].filter((folder) => folder !== undefined).map((folder) => licenceOf(resolve(root, folder))),
  );
  const sorted = [...new Set(texts)].sort();
  await writeFile(file, `This package contains the following, each under its own licence.\n\n${sorted.join("\n")}`);
}

function usedOf(inputs: Metafile["outputs"][string]["inputs"]): string[] {
  return Object.entries(inputs)
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([input]) => input);
}

async function licenceOf(folder: string): Promise<string> {
  const { name, version, license } = manifestSchema.parse(
    JSON.parse(await readFile(join(folder, "package.json"), "utf8")),
  );
  const [text] = (await readdir(folder)).filter((file) => /^licen[cs]e/iu.test(file)).sort();
  if (text === undefined && license !== "Apache-2.0") {
    throw new Error(`${name} ${version} (${license}) brings no licence text`);
  }
  // The one text that does not name its owner, and this package has it beside its own files.
  const words = text === undefined ? "The text is that of LICENSE." : await readFile(join(folder, text), "utf8");
  return `== ${name} ${version} (${license})\n\n${words.trim()}\n`;
}
