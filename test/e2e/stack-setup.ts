import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";

import type { TestProject } from "vitest/node";

import { repository } from "../../local/repository.ts";
import { startStack } from "../../local/stack.ts";

declare module "vitest" {
  export interface ProvidedContext {
    stackFile: string;
  }
}

/** One deployed stack for all end-to-end tests: each test makes devices and credentials of its own. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  await mkdir(join(repository, ".local"), { recursive: true });
  const directory = await mkdtemp(join(repository, ".local", "test-"));
  const { stackFile, stop } = await startStack({ directory, log: (line) => console.log(`e2e: ${line}`) });
  project.provide("stackFile", stackFile);
  return async () => {
    await stop();
    await rm(directory, { recursive: true, force: true });
  };
}
