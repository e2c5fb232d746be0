import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import { LocalFault } from "../fault.ts";
import { lastLines, runCommand } from "../process/run-command.ts";
import { emulatorEnvironment, emulatorRegion } from "./aws-environment.ts";
import { loopback } from "./loopback.ts";

/** Where the private message keys are, for each use. */
export type LocalCustody = { readonly signing: "kms" | "epoch"; readonly decryption: "kms" | "epoch" };

export type SynthesisOptions = {
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

export const assetsBucket = "sealpost-local-assets";
/** It takes about ten seconds, and minutes beside other work; a resource that waits for a function that died never ends by itself. */
const timeoutMilliseconds = 600_000;

/**
 * `cdk synth` of stage `local`, which needs no emulator yet: what the first start waits for otherwise goes on beside it.
 * @returns the folder of the assembly
 */
export async function synthesise(options: SynthesisOptions): Promise<string> {
  const { custody, keyGeneration } = options;
  const assembly = join(options.directory, "cdk.out");
  await runCdk(
    [
      "synth",
      "--quiet",
      `--output=${assembly}`,
      "--context=stage=local",
      `--context=assetsBucket=${assetsBucket}`,
      ...(custody === undefined
        ? []
        : [`--context=signingCustody=${custody.signing}`, `--context=decryptionCustody=${custody.decryption}`]),
      ...(keyGeneration === undefined ? [] : [`--context=keyGeneration=${keyGeneration}`]),
    ],
    // The stage wants to know that it is this machine, and no more.
    { ...options, endpoint: `http://${loopback}` },
  );
  return assembly;
}

/** Runs the project's own CDK CLI as the emulator's root. */
export async function runCdk(
  words: readonly string[],
  options: Pick<SynthesisOptions, "projectDirectory" | "directory" | "logPath" | "signal" | "started"> & {
    readonly endpoint: string;
  },
): Promise<void> {
  const { projectDirectory, directory, logPath } = options;
  if (!existsSync(join(projectDirectory, "cdk.json"))) {
    throw new LocalFault("deploy-failed", `There is no cdk.json in ${projectDirectory}.`);
  }
  const temporaryDirectory = join(directory, "deploy-tmp");
  await mkdir(temporaryDirectory, { recursive: true });
  const outcome = await runCommand({
    file: process.execPath,
    arguments: [cdkProgram(projectDirectory), ...words, "--no-notices", "--no-version-reporting", "--no-color"],
    directory: projectDirectory,
    environment: {
      ...emulatorEnvironment(options.endpoint, temporaryDirectory),
      CDK_DEFAULT_REGION: emulatorRegion,
      CDK_DISABLE_CLI_TELEMETRY: "true",
      CDK_DISABLE_VERSION_CHECK: "true",
      // CloudFormation's rules are for AWS, take as long as all else, and `check:infra` applies them; cdk-nag's hold here too.
      CDK_VALIDATION: "false",
      // The CLI caches account ids by access key and notices there; this run shares neither with the user's.
      CDK_HOME: temporaryDirectory,
    },
    timeoutMilliseconds,
    logPath,
    ...(options.signal ? { signal: options.signal } : {}),
    ...(options.started ? { started: options.started } : {}),
  });
  if (outcome.exitCode !== 0) {
    const command = `cdk ${words[0]}`;
    throw new LocalFault(
      "deploy-failed",
      `${outcome.timedOut ? `${command} was not done in ${timeoutMilliseconds / 1000} s` : `${command} failed`}:\n` +
        `${lastLines(outcome.timedOut ? outcome.output : usefulLines(outcome.output), 12)}\nEverything it said: ${logPath}`,
    );
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
