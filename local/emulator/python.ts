import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";

import { LocalFault } from "../fault.ts";
import { processExists } from "../process/process-identity.ts";
import { type Command, lastLines, runCommand } from "../process/run-command.ts";

const candidates = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"] as const;
const oldestMinor = 10;
const probeTimeoutMilliseconds = 15_000;
const venvTimeoutMilliseconds = 120_000;
const installTimeoutMilliseconds = 900_000;

const probe = [
  "import importlib.util as u, sys",
  "print('sealpost', sys.version_info[0], sys.version_info[1],",
  "  int(all(u.find_spec(m) is not None for m in ('venv', 'ensurepip'))))",
].join("\n");

export type PythonOptions = {
  /** Where virtual environments are kept: `<directory>/<requirements name>-<hash>`. */
  readonly directory: string;
  /** A compiled, hashed requirements file. */
  readonly requirements: string;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal;
  readonly environment?: NodeJS.ProcessEnv;
};

/**
 * The interpreter of a virtual environment that holds exactly `requirements`, built when there is none yet.
 * The folder is named by the hash of the requirements and appears by one rename, so two processes may do this at once
 * and a changed file never touches an environment that is in use. Run its tools as `python -m …`: their scripts hold
 * the path from before the rename.
 */
export async function preparePython(options: PythonOptions): Promise<string> {
  const requirements = await readFile(options.requirements);
  const hash = createHash("sha256").update(requirements).digest("hex").slice(0, 16);
  const name = basename(options.requirements, ".txt");
  const home = join(options.directory, `${name}-${hash}`);
  const python = join(home, "bin", "python");
  if (isComplete(home)) return python;

  const environment = withoutPythonVariables(options.environment ?? process.env);
  const base = await findPython(environment, options.signal);
  await mkdir(options.directory, { recursive: true });
  await removeAbandoned(options.directory);
  const building = join(options.directory, `building-${process.pid}-${randomBytes(4).toString("hex")}`);
  const logPath = join(options.directory, `${name}.log`);
  await writeFile(logPath, "");
  options.log(`installing Python packages (${name}.txt, once) into ${home}`);
  const bound = { environment, logPath, ...(options.signal ? { signal: options.signal } : {}) };
  try {
    const ownPip = await installsElsewhere(base, bound);
    const created = await runCommand({
      ...bound,
      file: base.file,
      arguments: ["-m", "venv", ...(ownPip ? ["--without-pip"] : []), building],
      timeoutMilliseconds: venvTimeoutMilliseconds,
    });
    if (created.exitCode !== 0) throw venvMissing(base, created.output);
    const inside = join(building, "bin", "python");
    const installed = await runCommand({
      ...bound,
      file: ownPip ? base.file : inside,
      arguments: [
        ...["-m", "pip", ...(ownPip ? [`--python=${inside}`] : []), "install"],
        // What is used is compiled when it is first run.
        "--no-compile",
        "--disable-pip-version-check",
        "--no-input",
        "--require-hashes",
        "--only-binary=:all:",
        `--requirement=${options.requirements}`,
      ],
      timeoutMilliseconds: installTimeoutMilliseconds,
    });
    if (installed.exitCode !== 0) throw installFailed(installed, logPath);
    await writeFile(join(building, "complete"), `${hash}\n`);
    await place(building, home);
    return python;
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

/** Whether its pip can install into another environment (from 22.3), which then need not get one: that takes longer than all the rest. */
async function installsElsewhere(
  { file }: BasePython,
  bound: Pick<Command, "environment" | "logPath" | "signal">,
): Promise<boolean> {
  const told = await runCommand({
    ...bound,
    file,
    arguments: ["-m", "pip", "--version"],
    timeoutMilliseconds: probeTimeoutMilliseconds,
  });
  const [, major = 0, minor = 0] = /^pip (\d+)\.(\d+)/u.exec(told.output)?.map(Number) ?? [];
  return told.exitCode === 0 && (major > 22 || (major === 22 && minor >= 3));
}

type BasePython = { readonly file: string; readonly version: string };

async function findPython(environment: NodeJS.ProcessEnv, signal: AbortSignal | undefined): Promise<BasePython> {
  let tooOld: BasePython | undefined;
  let withoutVenv: BasePython | undefined;
  for (const file of candidates) {
    const probed = await runCommand({
      file,
      arguments: ["-c", probe],
      environment,
      timeoutMilliseconds: probeTimeoutMilliseconds,
      ...(signal ? { signal } : {}),
    }).catch((error: unknown) => {
      if (signal?.aborted === true) throw error;
      return undefined;
    });
    const found = /^sealpost (\d+) (\d+) ([01])$/mu.exec(probed?.output ?? "");
    if (found === null) continue;
    const python = { file, version: `${found[1]}.${found[2]}` };
    if (Number(found[1]) !== 3 || Number(found[2]) < oldestMinor) tooOld ??= python;
    else if (found[3] !== "1") withoutVenv ??= python;
    else return python;
  }
  if (withoutVenv !== undefined) throw venvMissing(withoutVenv, "");
  if (tooOld !== undefined) {
    throw new LocalFault(
      "python-too-old",
      `The emulator needs Python 3.${oldestMinor} or newer; ${tooOld.file} is ${tooOld.version}. ` +
        "Install a newer one beside it (python3.12, say), then run this again.",
    );
  }
  throw new LocalFault(
    "python-missing",
    `The emulator needs Python 3.${oldestMinor} or newer, and no python3 is on the PATH. ` +
      "Install it (Debian, Ubuntu: sudo apt install python3 python3-venv; macOS: brew install python), then run this again.",
  );
}

/** Debian and Ubuntu split venv and ensurepip from python3, and `-m venv` then fails half-way. */
function venvMissing(python: BasePython, output: string): LocalFault {
  const own = python.file === "python3" ? "python3-venv" : `${python.file}-venv`;
  const exact = `python${python.version}-venv`;
  return new LocalFault(
    "python-venv-missing",
    `${python.file} (${python.version}) cannot make virtual environments. ` +
      `On Debian and Ubuntu: sudo apt install ${own}${own === exact ? "" : ` (or ${exact})`}, then run this again.` +
      (output === "" ? "" : `\n${lastLines(output, 4)}`),
  );
}

function installFailed(outcome: { readonly timedOut: boolean; readonly output: string }, logPath: string): LocalFault {
  return new LocalFault(
    "python-packages",
    `${outcome.timedOut ? "Installing the Python packages took too long" : "pip could not install the Python packages"}:\n` +
      `${lastLines(outcome.output, 4)}\n` +
      "It needs PyPI or a mirror of it: check the network, a proxy (HTTPS_PROXY), a mirror (PIP_INDEX_URL), then run this again.\n" +
      `Everything pip said: ${logPath}`,
  );
}

/** An interpreter that was upgraded away leaves a dangling link, which existsSync reports as absent. */
function isComplete(home: string): boolean {
  return existsSync(join(home, "complete")) && existsSync(join(home, "bin", "python"));
}

async function place(building: string, home: string): Promise<void> {
  if (existsSync(home) && !isComplete(home)) await rm(home, { recursive: true, force: true });
  try {
    await rename(building, home);
  } catch (error) {
    if (!isComplete(home)) throw error;
  }
}

async function removeAbandoned(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const pid = /^building-(\d+)-/u.exec(name)?.[1];
    if (pid !== undefined && !processExists(Number(pid))) {
      await rm(join(directory, name), { recursive: true, force: true });
    }
  }
}

/** Variables that would make the new environment see another one's modules. */
function withoutPythonVariables(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { PYTHONHOME: _home, PYTHONPATH: _path, VIRTUAL_ENV: _venv, ...rest } = environment;
  return rest;
}
