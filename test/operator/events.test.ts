import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { main } from "../../operator/cli.ts";
import { catchPrinted } from "./printed.ts";
import { deployedStack } from "./stacks.ts";

let folder: string;
let caught: ReturnType<typeof catchPrinted>;

beforeEach(async () => {
  caught = catchPrinted();
  folder = await mkdtemp(join(tmpdir(), "sealpost-events-"));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

const run = async (...words: string[]) => {
  const file = join(folder, "outputs.json");
  await writeFile(file, JSON.stringify(deployedStack()));
  const code = await main(["node", "sealpost", "--stack", file, "events", ...words]);
  return { code, ...caught.printed };
};

test("fails/a stack that has no queue for it: what to do instead", async () => {
  const { code, out, error } = await run("tail");
  expect({ code, out }).toEqual({ code: 3, out: "" });
  expect(error).toContain("no queue for this command to read");
  expect(error).toContain("EventBusName");
});

test.each<string[]>([
  ["tail", "--type", "Readings"],
  ["tail", "--for", "soon"],
  ["tail", "--device", "x"],
  ["replay"],
  ["replay", "--since", "yesterday"],
  ["replay", "--since", "2026-11-25", "--until", "2026-11-24"],
  ["replay", "--since", "1999-01-01"],
])("fails/%s %s %s is wrong usage", async (...words) => {
  expect(await run(...words)).toMatchObject({ code: 2, out: "" });
});
