import { readFile } from "node:fs/promises";

import { expect, test } from "vitest";

import { costDocuments } from "../../bench/docs/cost.ts";
import { performanceDocuments } from "../../bench/docs/performance.ts";

test("ok/docs/cost.md and the README say what the estimate says; `npm run bench -- --docs` writes them", async () => {
  for (const { path, text } of await costDocuments()) expect(await readFile(path, "utf8")).toBe(text);
});

test("ok/docs/performance.md says what bench/ratios.json has", async () => {
  for (const { path, text } of await performanceDocuments()) expect(await readFile(path, "utf8")).toBe(text);
});
