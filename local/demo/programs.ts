import { copyFile } from "node:fs/promises";
import { join } from "node:path";

import { build } from "esbuild";

import { programOptions } from "../../build/program.ts";
import { repository } from "../repository.ts";

const folders = { sealpost: "operator", "sealpost-device": "device" } as const;
export type Program = keyof typeof folders;
/** The file that starts each. */
export type Programs = Readonly<Record<Program, string>>;

/** Our CLIs as the packages hold them: built once, each start is a fifth of one from the source. */
export async function buildPrograms(directory: string): Promise<Programs> {
  await build({
    ...programOptions,
    absWorkingDir: repository,
    entryPoints: Object.values(folders).map((folder) => ({
      in: join(repository, folder, "cli.ts"),
      out: join(folder, "dist", "cli"),
    })),
    outdir: directory,
    splitting: true,
  });
  for (const folder of Object.values(folders)) {
    for (const file of ["bin.js", "package.json"]) {
      await copyFile(join(repository, folder, file), join(directory, folder, file));
    }
  }
  const bin = (folder: string) => join(directory, folder, "bin.js");
  return { sealpost: bin(folders.sealpost), "sealpost-device": bin(folders["sealpost-device"]) };
}
