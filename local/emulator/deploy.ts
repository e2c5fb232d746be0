import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { z } from "zod/mini";

import { LocalFault } from "../fault.ts";
import { createAssetsBucket } from "./assets-bucket.ts";
import { assertLoopback } from "./loopback.ts";
import { type SynthesisOptions, assetsBucket, runCdk, synthesise } from "./synthesis.ts";

/** One stack's outputs, by output name. */
export type StackOutputs = Readonly<Record<string, string>>;

export type DeployOptions = SynthesisOptions & {
  readonly endpoint: string;
  /** What `synthesise` made of the same options; made here unless given. */
  readonly assembly?: string;
};

const outputsFile = z.record(z.string(), z.record(z.string(), z.string()));

/** A real `cdk deploy` of stage `local` into the emulator; returns the outputs of its one stack. */
export async function deploy(options: DeployOptions): Promise<StackOutputs> {
  const { directory, endpoint, logPath } = options;
  assertLoopback(endpoint);
  const outputsPath = join(directory, "outputs.json");
  await rm(outputsPath, { force: true });
  if (options.assembly === undefined) await writeFile(logPath, "");
  await createAssetsBucket(endpoint, assetsBucket);
  try {
    const assembly = options.assembly ?? (await synthesise(options));
    await runCdk(
      [
        "deploy",
        "--all",
        `--app=${assembly}`,
        "--require-approval=never",
        "--ci",
        "--progress=events",
        `--outputs-file=${outputsPath}`,
      ],
      options,
    );
    return await readOutputs(outputsPath, logPath);
  } finally {
    await rm(join(directory, "deploy-tmp"), { recursive: true, force: true });
  }
}

async function readOutputs(path: string, logPath: string): Promise<StackOutputs> {
  const parsed = outputsFile.safeParse(JSON.parse(await readFile(path, "utf8").catch(() => "null")));
  const stacks = parsed.success ? Object.values(parsed.data) : [];
  const [outputs] = stacks;
  if (outputs === undefined || stacks.length !== 1) {
    throw new LocalFault("deploy-failed", `cdk deploy left no outputs of exactly one stack. What it said: ${logPath}`);
  }
  return outputs;
}
