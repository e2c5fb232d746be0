import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

import { probes } from "./probes.ts";
import type { Edit, Probe } from "./probes.ts";

/**
 * Counts what adding touches. On a copy of the tree each probe adds one thing, an exchange or an algorithm, until the
 * types are green, and takes each of its edits back once, which must turn them red: what can be forgotten is a type error.
 */

const repository = join(import.meta.dirname, "..", "..");
const rooms = ["protocol", "functions", "device", "operator"];
/** Of the packages that TypeScript reads; the copy's own are linked to the copy. */
const ours = "@sealpost";

type Outcome = {
  readonly adds: string;
  readonly touches: string;
  readonly aim: string;
  /** `…`: told as not reached yet. */
  readonly mark: "✓" | "✗" | "…";
  readonly says: string;
};

const copy = await mkdtemp(join(tmpdir(), "sealpost-touches-"));
try {
  await copyTree();
  const before = await typeErrors();
  if (before.length > 0) throw new Error(`the tree is not green as it is:\n${before.slice(0, 5).join("\n")}`);
  const outcomes: Outcome[] = [];
  const [only] = process.argv.slice(2);
  for (const probe of probes.filter(({ adds }) => adds === (only ?? adds))) outcomes.push(await run(probe));
  print(outcomes);
  process.exitCode = outcomes.some(({ mark }) => mark === "✗") ? 1 : 0;
} finally {
  await rm(copy, { recursive: true, force: true, maxRetries: 5 });
}

async function copyTree(): Promise<void> {
  for (const room of rooms) {
    await cp(join(repository, room), join(copy, room), {
      recursive: true,
      filter: (path) => !/\/(?:dist|node_modules)$/u.test(path),
    });
  }
  await cp(join(repository, "docs"), join(copy, "docs"), { recursive: true });
  await cp(join(repository, "package.json"), join(copy, "package.json"));
  const modules = join(copy, "node_modules");
  await mkdir(join(modules, ours), { recursive: true });
  for (const name of await readdir(join(repository, "node_modules"))) {
    if (name === ours || name.startsWith(".")) continue;
    await symlink(join(repository, "node_modules", name), join(modules, name));
  }
  await symlink(join(copy, "protocol"), join(modules, ours, "protocol"));
  const options = {
    extends: "./tsconfig.base.json",
    compilerOptions: { incremental: true, tsBuildInfoFile: "types.json" },
  };
  await cp(join(repository, "tsconfig.json"), join(copy, "tsconfig.base.json"));
  await writeFile(
    join(copy, "tsconfig.json"),
    JSON.stringify({ ...options, include: rooms, exclude: ["device/build.ts", "operator/build.ts"] }),
  );
}

async function run(probe: Probe): Promise<Outcome> {
  const count = (isRow: boolean) =>
    new Set(probe.edits.filter(({ row = false }) => row === isRow).map(({ file }) => file)).size;
  const [files, rows] = [count(false), count(true)];
  const faults: string[] = [];
  const stale = await withEdits(probe.edits, async () => undefined).catch((error: unknown) => String(error));
  if (stale !== undefined) return { adds: probe.adds, touches: "?", aim: probe.aim, mark: "✗", says: stale };
  const [error] = await withEdits(probe.edits, typeErrors);
  if (error !== undefined) faults.push(`it takes more than that: ${error}`);
  for (const edit of probe.edits.filter(({ noticedBy }) => noticedBy === undefined)) {
    const rest = probe.edits.filter((other) => other !== edit);
    if ((await withEdits(rest, typeErrors)).length === 0) faults.push(`forgotten in ${edit.file}, it compiles`);
  }
  for (const { what, ...mistake } of probe.mistakes ?? []) {
    const wrong = probe.edits.map((edit) => (edit.file === mistake.file ? mistake : edit));
    if ((await withEdits(wrong, typeErrors)).length === 0) faults.push(`${what} compiles`);
  }
  const misses = files > probe.files || rows > probe.rows;
  if (misses && probe.notYet === undefined) faults.push(`the aim is ${probe.files} files and ${probe.rows} rows`);
  return {
    adds: probe.adds,
    touches: `${files} files${rows > 0 ? `, ${rows} rows` : ""}`,
    aim: probe.aim,
    mark: faults.length > 0 ? "✗" : misses ? "…" : "✓",
    says: [...faults, ...(misses && probe.notYet ? [`not yet: ${probe.notYet}`] : [])].join("; "),
  };
}

/** Applies edits, asks, and takes them back. */
async function withEdits<T>(edits: readonly Edit[], ask: () => Promise<T>): Promise<T> {
  const kept = new Map<string, string | undefined>();
  try {
    for (const edit of edits) {
      const path = join(copy, edit.file);
      const text = await readFile(path, "utf8").catch(() => undefined);
      if (!kept.has(path)) kept.set(path, text);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, applied(edit, text));
    }
    return await ask();
  } finally {
    for (const [path, text] of kept) await (text === undefined ? rm(path) : writeFile(path, text));
  }
}

function applied(edit: Edit, text: string | undefined): string {
  if ("create" in edit) return edit.create;
  return edit.replace.reduce((before, [from, to]) => {
    if (before.includes(from)) return before.replace(from, () => to);
    throw new Error(`${edit.file} no longer has ${JSON.stringify(from)}: correct test/structure/probes.ts`);
  }, text ?? "");
}

async function typeErrors(): Promise<string[]> {
  const tsc = join(repository, "node_modules", ".bin", "tsc");
  try {
    await promisify(execFile)(tsc, ["--pretty", "false"], { cwd: copy, maxBuffer: 2 ** 26 });
    return [];
  } catch (error) {
    const lines = Object(error).stdout;
    if (typeof lines !== "string" || lines === "") throw error;
    return lines.split("\n").filter((line) => line.includes("error TS"));
  }
}

function print(outcomes: readonly Outcome[]): void {
  const table = [{ adds: "to add", touches: "touches", aim: "aim", mark: " ", says: "" }, ...outcomes];
  const width = (column: "adds" | "touches" | "aim") => Math.max(...table.map((line) => line[column].length));
  const widths = { adds: width("adds"), touches: width("touches"), aim: width("aim") };
  for (const { mark, adds, touches, aim, says } of table) {
    const cells = [mark, adds.padEnd(widths.adds), touches.padEnd(widths.touches), aim.padEnd(widths.aim), says];
    console.log(cells.join("  ").trimEnd());
  }
  console.log(
    "Rows are lines in a table that names everything of its kind. What is forgotten or mistaken was tried, and did not compile.",
  );
}
