import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import * as z from "zod/mini";

import { isolatedEnvironment } from "./emulator/aws-environment.ts";
import { LocalFault } from "./fault.ts";
import { lastLines, runCommand } from "./process/run-command.ts";
import { repository } from "./repository.ts";

const example = join(repository, "examples", "cdk-app");
const resourceSchema = z.looseObject({ Metadata: z.optional(z.looseObject({})) });
const templateSchema = z.looseObject({ Resources: z.record(z.string(), resourceSchema) });

/**
 * Synthesises the example as a stranger would: from the packed package, in a folder outside the repository that has
 * neither esbuild nor Docker, and compares the template with the production stage's.
 * @param production the path of that template
 * @throws LocalFault when packing, types or synth fail, or the templates differ in more than names
 */
export async function checkExample(production: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "sealpost-example-"));
  try {
    const app = join(folder, "app");
    await install(folder, app);
    await namesOfProduction(app);
    const node = { ...isolatedEnvironment(folder), PATH: dirname(process.execPath) };
    const inApp = (...words: string[]) => run(process.execPath, words, app, node);
    await inApp(program("typescript", "tsc"), "--project", app);
    await inApp(program("aws-cdk", "cdk"), "synth", "--quiet", "--no-notices", "--no-version-reporting");
    await compare(production, join(app, "cdk.out", "Sealpost-production.template.json"));
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function install(folder: string, app: string): Promise<void> {
  const environment = isolatedEnvironment(folder);
  const npm = (words: string[], directory: string) => run("npm", words, directory, environment);
  await npm(["pack", "--pack-destination", folder, "--workspace", "@sealpost/cdk"], repository);
  const tarball = (await readdir(folder)).find((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new LocalFault("command-failed", "npm pack of @sealpost/cdk left no file.");
  await mkdir(app);
  await writeFile(join(app, "package.json"), '{ "private": true, "type": "module" }\n');
  // The peers are the repository's, so that nothing is downloaded twice.
  const offline = ["--offline", "--legacy-peer-deps", "--no-audit", "--no-fund"];
  await npm(["install", ...offline, join(folder, tarball)], app);
  for (const peer of ["aws-cdk-lib", "constructs"]) {
    await symlink(join(repository, "node_modules", peer), join(app, "node_modules", peer));
  }
  for (const file of ["app.ts", "cdk.json", "tsconfig.json"]) await cp(join(example, file), join(app, file));
}

/** The stack and the service are called as production's are, so that what is left to compare is everything else. */
async function namesOfProduction(app: string): Promise<void> {
  const path = join(app, "app.ts");
  const text = await readFile(path, "utf8");
  const named = text.replace('"Meters"', '"Sealpost-production"').replace('"meters.example.net"', '"sealpost"');
  await writeFile(path, named);
}

async function compare(production: string, example: string): Promise<void> {
  const [ours, theirs] = await Promise.all([comparable(production), comparable(example)]);
  const names = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])];
  const differing = names.filter((name) => ours[name] !== theirs[name]);
  if (differing.length === 0) return;
  const [first = ""] = differing;
  throw new LocalFault(
    "command-failed",
    `The example's template is not the production stage's: ${differing.join(", ")}.\n` +
      `${first}\n  production: ${ours[first] ?? "none"}\n  example:    ${theirs[first] ?? "none"}\n` +
      "The defaults of infra/props.ts and context.stages.production in cdk.json have come apart.",
  );
}

/** Each resource and section as text; without what a check wrote for auditors, and the stack's description. */
async function comparable(path: string): Promise<Record<string, string>> {
  const { Resources, Description: _, ...sections } = templateSchema.parse(JSON.parse(await readFile(path, "utf8")));
  const resources = Object.entries(Resources).map(
    ([name, { Metadata: { cdk_nag: _, ...metadata } = {}, ...resource }]) => [
      name,
      JSON.stringify({ ...resource, metadata }),
    ],
  );
  const others = Object.entries(sections).map(([name, section]) => [name, JSON.stringify(section)]);
  return Object.fromEntries([...resources, ...others]);
}

function program(name: string, bin: string): string {
  return join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), "bin", bin);
}

async function run(file: string, words: string[], directory: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const outcome = await runCommand({ file, arguments: words, directory, environment, timeoutMilliseconds: 180_000 });
  if (outcome.exitCode !== 0) {
    throw new LocalFault("command-failed", `${words.join(" ")} in ${directory}:\n${lastLines(outcome.output, 30)}`);
  }
}
