import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { afterAll, beforeAll, expect, test } from "vitest";

const execute = promisify(execFile);
const source = join(import.meta.dirname, "..", "..", "operator");
/** The Node that the user has, not the one that this repository brings. */
const usersNode = process.env["npm_node_execpath"] ?? process.execPath;

let folder: string;

beforeAll(async () => {
  await execute(process.execPath, [join(source, "build.ts")]);
  folder = await mkdtemp(join(tmpdir(), "sealpost-package-"));
  const { files } = JSON.parse(await readFile(join(source, "package.json"), "utf8")) as { files: string[] };
  // What npm packs, where no package of the repository is in reach.
  for (const name of [...files, "package.json", "LICENSE"]) {
    await cp(join(source, name), join(folder, name), { recursive: true });
  }
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

test("ok/the packed command line brings all that it needs", async () => {
  const { stdout } = await execute(usersNode, [join(folder, "bin.js"), "--version"], { cwd: folder });
  expect(stdout).toBe("0.1.0\n");
  const listing = execute(usersNode, [join(folder, "bin.js"), "device", "list", "--json"], { cwd: folder });
  const { code, stderr } = await listing.then(
    () => ({ code: 0, stderr: "" }),
    (error: { code: number; stderr: string }) => error,
  );
  expect(code).toBe(3);
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: "not-set-up" } });
});

test("ok/it brings the licence of whatever is bundled", async () => {
  const licences = await readFile(join(folder, "dist", "LICENSES"), "utf8");
  for (const name of ["jose", "zod", "commander", "@aws-sdk/client-kms"]) {
    expect(licences).toMatch(new RegExp(`^== ${name} \\d`, "mu"));
  }
});
