import { existsSync } from "node:fs";
import { join } from "node:path";

import { isolatedEnvironment } from "./aws-environment.ts";
import { LocalFault } from "../fault.ts";
import { lastLines, runCommand } from "../process/run-command.ts";

export type PublishTrustOptions = {
  readonly projectDirectory: string;
  readonly stackFile: string;
  readonly temporaryDirectory: string;
  readonly logPath: string;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal;
  readonly started?: (pid: number) => void;
};

const publishTimeoutMilliseconds = 180_000;

/** Publishes the first trust document the way an operator does: no function may use the root key. */
export async function publishTrust(options: PublishTrustOptions): Promise<void> {
  const program = join(options.projectDirectory, "operator", "bin.js");
  if (!existsSync(program)) {
    options.log("skipped publishing the trust document: operator/bin.js is not there");
    return;
  }
  const outcome = await runCommand({
    file: process.execPath,
    arguments: [program, "trust", "publish", "--yes", "--stack", options.stackFile],
    directory: options.projectDirectory,
    environment: isolatedEnvironment(options.temporaryDirectory),
    timeoutMilliseconds: publishTimeoutMilliseconds,
    logPath: options.logPath,
    ...(options.signal ? { signal: options.signal } : {}),
    ...(options.started ? { started: options.started } : {}),
  });
  if (outcome.exitCode !== 0) {
    throw new LocalFault(
      "deploy-failed",
      `Publishing the trust document ${outcome.timedOut ? "took too long" : "failed"}:\n` +
        `${lastLines(outcome.output, 8)}\nEverything it said: ${options.logPath}`,
    );
  }
  options.log("trust document published");
}
