import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Metafile } from "esbuild";

import { bundleFunctions } from "../../infra/bundle.ts";
import { functionEntries } from "../../infra/function-code.ts";

/** Bytes that a cold start of the message function parses: its module and whatever that imports at once. */
export async function staticBundleBytes(): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), "sealpost-exact-"));
  try {
    let bytes = 0;
    await bundleFunctions(functionEntries, directory, ({ outputs }) => {
      const [entry] =
        Object.entries(outputs).find(([, { entryPoint }]) => entryPoint === functionEntries.messages) ?? [];
      if (entry !== undefined)
        bytes = closure(outputs, entry).reduce((sum, name) => sum + (outputs[name]?.bytes ?? 0), 0);
    });
    return bytes;
  } finally {
    await rm(directory, { recursive: true, maxRetries: 5 });
  }
}

function closure(outputs: Metafile["outputs"], entry: string): string[] {
  const found = new Set([entry]);
  for (const name of found) {
    for (const { kind, path } of outputs[name]?.imports ?? []) {
      if (kind === "import-statement" && outputs[path]) found.add(path);
    }
  }
  return [...found];
}
