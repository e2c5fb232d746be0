import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { afterAll, describe, expect, test } from "vitest";

import { bundleFunctions } from "../../infra/bundle.ts";

const directory = mkdtempSync(join(tmpdir(), "sealpost-bundle-"));
// When one bundle fails the others may still be writing.
afterAll(() => rmSync(directory, { recursive: true, maxRetries: 5 }));

const entry = join(directory, "main.ts");
const commonJs = join(directory, "needs-require.cjs");
const importer = join(directory, "importer.ts");
writeFileSync(entry, 'export const handler = async (): Promise<string> => "answered";\n');
writeFileSync(commonJs, 'exports.name = require("node:path").basename("/a/required");\n');
writeFileSync(importer, 'import { name } from "./needs-require.cjs";\nexport const handler = async () => name;\n');
const entries = {
  bootstrap: entry,
  messages: entry,
  "key-set-sign": entry,
  "key-set-read": importer,
  operator: entry,
  publisher: entry,
};

test("ok/one module for each function, and nothing beside it", async () => {
  const code = await bundleFunctions(entries, join(directory, "out"));
  expect(Object.keys(code)).toEqual(Object.keys(entries));
  for (const [name, path] of Object.entries(code)) {
    expect(path).toBe(join(directory, "out", name));
    expect(readdirSync(path)).toEqual(["index.mjs"]);
    const module: unknown = await import(pathToFileURL(join(path, "index.mjs")).href);
    expect(module).toHaveProperty("handler");
    expect(statSync(join(path, "index.mjs")).size).toBeLessThan(1024);
  }
});

test("ok/a CommonJS dependency that requires a built-in module runs", async () => {
  const code = await bundleFunctions(entries, join(directory, "required"));
  const url = pathToFileURL(join(code["key-set-read"], "index.mjs")).href;
  const module: { handler: () => Promise<string> } = await import(url);
  await expect(module.handler()).resolves.toBe("required");
});

describe("fails", () => {
  test("fails/every missing entry is named, with what to do", async () => {
    const missing = { ...entries, messages: "none/messages.ts", operator: "none/operator.ts" };
    await expect(bundleFunctions(missing, join(directory, "missing"))).rejects.toThrow(
      "no entry file for messages (none/messages.ts), operator (none/operator.ts): correct infra/function-code.ts",
    );
  });

  test("fails/code that does not bundle is named", async () => {
    const broken = join(directory, "broken.ts");
    writeFileSync(broken, 'export { nothing } from "./nowhere.ts";\n');
    await expect(bundleFunctions({ ...entries, operator: broken }, join(directory, "broken"))).rejects.toThrow(
      /broken\.ts:1.*nowhere\.ts/s,
    );
  });
});
