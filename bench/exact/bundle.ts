import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

import type { Metafile } from "esbuild";

import { bundleFunction } from "../../infra/bundle.ts";
import { functionEntries } from "../../infra/function-code.ts";
import { repository } from "../../local/repository.ts";

/** Bytes that a cold start of the message function parses: its module and whatever that imports at once. */
export async function staticBundleBytes(): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), "sealpost-exact-"));
  try {
    return staticBytes(await bundleFunction(join(repository, functionEntries.messages), directory));
  } finally {
    await rm(directory, { recursive: true, maxRetries: 5 });
  }
}

/** Of a bundle with one entry, which is called `index`. */
export function staticBytes({ outputs }: Metafile): number {
  const found = new Set(Object.keys(outputs).filter((name) => basename(name) === "index.mjs"));
  for (const name of found) {
    for (const { kind, path } of outputs[name]?.imports ?? []) {
      if (kind === "import-statement" && outputs[path]) found.add(path);
    }
  }
  return [...found].reduce((sum, name) => sum + (outputs[name]?.bytes ?? 0), 0);
}
