import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import { z } from "zod/mini";

import { emulatorRegion, emulatorEnvironment } from "./aws-environment.ts";
import { createAssetsBucket } from "./assets-bucket.ts";
import { LocalFault } from "../fault.ts";
import { assertLoopback } from "./loopback.ts";
import { lastLines, runCommand } from "../process/run-command.ts";

/** One stack's outputs, by output name. */
export type StackOutputs = Readonly<Record<string, string>>;

/** Where the private message keys are, for each use. */
export type LocalCustody = { readonly signing: "kms" | "epoch"; readonly decryption: "kms" | "epoch" };

export type DeployOptions = {
  readonly endpoint: string;
  /** Where cdk.json is. */
  readonly projectDirectory: string;
  /** The run's own folder: assembly, outputs and temporary files go here. */
  readonly directory: string;
  /** That of cdk.json unless told. */
  readonly keyGeneration?: number;
  /** That of cdk.json unless told. */
  readonly custody?: LocalCustody;
  readonly logPath: string;
  readonly signal?: AbortSignal;
  readonly started?: (pid: number) => void;
};

const assetsBucket = "sealpost-local-assets";
/** It takes about ten seconds, and minutes beside other work; a resource that waits for a function that died never ends by itself. */
const deployTimeoutMilliseconds = 600_000;
const outputsFile = z.record(z.string(), z.record(z.string(), z.string()));

/** A real `cdk deploy` of stage `local` into the emulator; returns the outputs of its one stack. */
export async function deploy(options: DeployOptions): Promise<StackOutputs> {
  assertLoopback(options.endpoint);
  if (!existsSync(join(options.projectDirectory, "cdk.json"))) {
    throw new LocalFault("deploy-failed", `There is no cdk.json in ${options.projectDirectory}.`);
  }
  const temporaryDirectory = join(options.directory, "deploy-tmp");
  const outputsPath = join(options.directory, "outputs.json");
  await rm(outputsPath, { force: true });
  await mkdir(temporaryDirectory, { recursive: true });
  await writeFile(options.logPath, "");
  await createAssetsBucket(options.endpoint, assetsBucket);
  try {
    const outcome = await runCommand({
      file: process.execPath,
      arguments: [
        cdkProgram(options.projectDirectory),
        "deploy",
        "--all",
        "--require-approval=never",
        "--ci",
        "--progress=events",
        "--no-notices",
        "--no-version-reporting",
        "--no-color",
        `--output=${join(options.directory, "cdk.out")}`,
        `--outputs-file=${outputsPath}`,
        "--context=stage=local",
        `--context=assetsBucket=${assetsBucket}`,
        ...(options.custody === undefined
          ? []
          : [
              `--context=signingCustody=${options.custody.signing}`,
              `--context=decryptionCustody=${options.custody.decryption}`,
            ]),
        ...(options.keyGeneration === undefined ? [] : [`--context=keyGeneration=${options.keyGeneration}`]),
      ],
      directory: options.projectDirectory,
      environment: {
        ...emulatorEnvironment(options.endpoint, temporaryDirectory),
        CDK_DEFAULT_REGION: emulatorRegion,
        CDK_DISABLE_CLI_TELEMETRY: "true",
        CDK_DISABLE_VERSION_CHECK: "true",
        // The CLI caches account ids by access key and notices there; this run shares neither with the user's.
        CDK_HOME: join(options.directory, "deploy-tmp"),
      },
      timeoutMilliseconds: deployTimeoutMilliseconds,
      logPath: options.logPath,
      ...(options.signal ? { signal: options.signal } : {}),
      ...(options.started ? { started: options.started } : {}),
    });
    if (outcome.exitCode !== 0) {
      throw new LocalFault(
        "deploy-failed",
        `${outcome.timedOut ? `cdk deploy was not done in ${deployTimeoutMilliseconds / 1000} s` : "cdk deploy failed"}:\n` +
          `${lastLines(outcome.timedOut ? outcome.output : usefulLines(outcome.output), 12)}\nEverything it said: ${options.logPath}`,
      );
    }
    return await readOutputs(outputsPath, options.logPath);
  } finally {
    await rm(temporaryDirectory, { recursive: true, force: true });
  }
}

function cdkProgram(projectDirectory: string): string {
  const require = createRequire(join(projectDirectory, "package.json"));
  try {
    return join(dirname(require.resolve("aws-cdk/package.json")), "bin", "cdk");
  } catch {
    const own = createRequire(import.meta.url);
    return join(dirname(own.resolve("aws-cdk/package.json")), "bin", "cdk");
  }
}

/** Stack frames and the list of every resource hide the line that names the mistake. */
function usefulLines(output: string): string {
  return output
    .split("\n")
    .filter((line) => !/^\s+at |CREATE_IN_PROGRESS|CREATE_COMPLETE|REVIEW_IN_PROGRESS/u.test(line))
    .join("\n");
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
