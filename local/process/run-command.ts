import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";

import { LocalFault } from "../fault.ts";

export type Command = {
  readonly file: string;
  readonly arguments: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly directory?: string;
  readonly timeoutMilliseconds: number;
  /** Everything the command prints is appended here. */
  readonly logPath?: string;
  readonly signal?: AbortSignal;
  /** Called with the process id, so that a killed run can be cleaned up later. */
  readonly started?: (pid: number) => void;
};

export type CommandOutcome = {
  readonly exitCode: number | null;
  readonly timedOut: boolean;
  /** Standard output and error in the order in which they arrived. */
  readonly output: string;
};

/** What a chatty command may leave in memory; the log file has the rest. */
const outputLimitCharacters = 1_000_000;
const killAfterMilliseconds = 3_000;

/** Runs a command in a process group of its own, so that Ctrl-C reaches it only through us. */
export async function runCommand(command: Command): Promise<CommandOutcome> {
  command.signal?.throwIfAborted();
  const child = spawn(command.file, [...command.arguments], {
    ...(command.directory === undefined ? {} : { cwd: command.directory }),
    env: command.environment,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const log = command.logPath === undefined ? undefined : createWriteStream(command.logPath, { flags: "a" });
  let output = "";
  const collect = (chunk: Buffer): void => {
    log?.write(chunk);
    output = (output + chunk.toString("utf8")).slice(-outputLimitCharacters);
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    endGroup(child);
  }, command.timeoutMilliseconds);
  const abort = (): void => endGroup(child);
  command.signal?.addEventListener("abort", abort, { once: true });
  try {
    const exitCode = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
      if (child.pid !== undefined) command.started?.(child.pid);
    });
    command.signal?.throwIfAborted();
    return { exitCode, timedOut, output };
  } catch (error) {
    if (command.signal?.aborted === true) throw error;
    throw new LocalFault("command-failed", `${command.file} could not be started.`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
    command.signal?.removeEventListener("abort", abort);
    if (log !== undefined) {
      log.end();
      await finished(log).catch(() => undefined);
    }
  }
}

function endGroup(child: ChildProcess): void {
  signalGroup(child, "SIGTERM");
  setTimeout(() => {
    if (child.exitCode === null && child.signalCode === null) signalGroup(child, "SIGKILL");
  }, killAfterMilliseconds).unref();
}

/** Signals a detached child and everything it started; a group that has ended is no error. */
export function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    child.kill(signal);
  }
}

/** The last lines that say something, for an error message. */
export function lastLines(output: string, count: number): string {
  return output
    .split(/\r?\n/u)
    .map((line) => line.trimEnd())
    .filter((line) => line !== "")
    .slice(-count)
    .map((line) => `  ${line}`)
    .join("\n");
}
