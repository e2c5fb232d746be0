import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { checkExample } from "./check-example.ts";
import { isolatedEnvironment } from "./emulator/aws-environment.ts";
import { LocalFault } from "./fault.ts";
import { preparePython } from "./emulator/python.ts";
import { reportFault } from "./report-fault.ts";
import { lastLines, runCommand } from "./process/run-command.ts";
import { repository } from "./repository.ts";

/** Synthesises the production stage without an account and has cfn-lint judge the template: a deploy into the emulator proves neither. */

const timeoutMilliseconds = 180_000;
const output = await mkdtemp(join(tmpdir(), "sealpost-synth-"));
try {
  process.exitCode = await check();
} catch (error) {
  reportFault(error, join(repository, ".local"));
  process.exitCode = 1;
} finally {
  await rm(output, { recursive: true, force: true });
}

async function check(): Promise<number> {
  const environment = isolatedEnvironment(output);
  const cdk = join(dirname(createRequire(import.meta.url).resolve("aws-cdk/package.json")), "bin", "cdk");
  const words = [
    "synth",
    "--quiet",
    "--no-notices",
    "--context",
    "stage=production",
    "--output",
    join(output, "cdk.out"),
  ];
  const synth = await runCommand({
    file: process.execPath,
    arguments: [cdk, ...words],
    directory: repository,
    environment,
    timeoutMilliseconds,
  });
  if (synth.exitCode !== 0) throw new LocalFault("command-failed", `cdk synth failed:\n${lastLines(synth.output, 30)}`);
  const python = await preparePython({
    directory: join(repository, ".local", "venv"),
    requirements: join(import.meta.dirname, "emulator", "cfn-lint-requirements.txt"),
    log: console.log,
  });
  const names = (await readdir(join(output, "cdk.out"))).filter((name) => name.endsWith(".template.json"));
  const templates = names.map((name) => join(output, "cdk.out", name));
  const lint = await runCommand({
    file: python,
    // The script names the Python of the folder it was built in, so it is handed to the right one.
    arguments: [join(dirname(python), "cfn-lint"), ...templates],
    directory: repository,
    environment,
    timeoutMilliseconds,
  });
  if (lint.exitCode !== 0) throw new LocalFault("command-failed", `cfn-lint found:\n${lastLines(lint.output, 40)}`);
  console.log(`cfn-lint: ${names.join(", ")}: nothing to report`);
  await checkExample(join(output, "cdk.out", "Sealpost-production.template.json"));
  console.log("examples/cdk-app: from the packed package, outside the repository, production's template but for names");
  return 0;
}
