import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access, lstat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Readable } from "node:stream";

import { parseJson } from "@sealpost/protocol/token/strict.ts";

import { errorCode } from "../adapters/durable-file.ts";

/** sysexits.h EX_TEMPFAIL, which Mender, sendmail and others take as "not now". */
const laterExit = 75;
const logBytes = 10_240;
/** What still holds the output of a process that ended is not waited for. */
const drainMilliseconds = 500;

/** What became of an executable. `output` is the JSON value that it printed; absent where it printed nothing. */
export type Ended =
  | { readonly kind: "done"; readonly output?: unknown; readonly unusable?: UnusableOutput }
  | { readonly kind: "later" }
  | {
      readonly kind: "failed";
      readonly reason: "exit" | "signal" | "time-out" | "stopped" | "not-started";
      readonly exit?: number;
      readonly signal?: string;
      readonly output?: unknown;
      readonly unusable?: UnusableOutput;
    };

/** Output that is there and cannot be told on. */
export type UnusableOutput = "not-json" | "too-large";

export type Call = {
  readonly file: string;
  readonly args: readonly string[];
  /** Written to standard input as one line of JSON. */
  readonly input: object;
  readonly timeoutSeconds: number;
  /** From SIGTERM to SIGKILL. */
  readonly graceSeconds: number;
  /** The most that standard output may hold. */
  readonly outputBytes: number;
  /** Beside a PATH and a locale: nothing of the agent's own environment is handed on. */
  readonly environment?: { readonly [name: string]: string };
  /** Standard error, line by line, the first 10 KiB of it. */
  readonly onLog?: (line: string) => void;
  /** Awaited before the input is written, so that what is noted of the process is durable before it has anything to work on. */
  readonly onStart?: (pid: number) => Promise<void>;
  /** Ends it as a time-out does. */
  readonly signal?: AbortSignal;
};

/**
 * Where a name's executable lies, if it may be run: a regular file of exactly that name, which only its owner can change, and that is root or
 * who runs this. A link is none, since whoever can change where it leads need not be one of them.
 * @param name has the form of a command's or hook's name: no path can be made of it
 */
export async function findExecutable(
  folder: string,
  name: string,
): Promise<{ readonly file: string } | { readonly absent: true } | { readonly unsafe: string }> {
  if (!/^[a-z][a-z0-9.-]{0,63}$/.test(name)) return { absent: true };
  // It runs in its own folder, where a path from ours leads nowhere.
  const file = resolve(folder, name);
  try {
    const unsafe = (await judgeOwner(folder, "isDirectory")) ?? (await judgeOwner(file, "isFile"));
    if (unsafe !== undefined) return { unsafe };
    await access(file, constants.X_OK);
    return { file };
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT") return { absent: true };
    return { unsafe: code === "EACCES" ? `${file} is not executable` : `${file} (${code})` };
  }
}

async function judgeOwner(path: string, kind: "isDirectory" | "isFile"): Promise<string | undefined> {
  const found = await lstat(path);
  if (!found[kind]()) return `${path} is not a ${kind === "isFile" ? "regular file" : "folder"}`;
  if ((found.mode & 0o022) !== 0) return `${path} can be changed by others than its owner`;
  const own = process.getuid?.();
  if (own !== undefined && found.uid !== 0 && found.uid !== own) return `${path} belongs to another user`;
  return undefined;
}

/**
 * Runs one executable to its end, in a process group of its own, of which nothing is left after that. Exit 0 is done, 75 later, anything else
 * failed; past its time, or when the signal aborts, the group gets SIGTERM and, a little later, SIGKILL.
 */
export async function runExecutable(call: Call): Promise<Ended> {
  const { timeoutSeconds, signal } = call;
  if (signal?.aborted) return { kind: "failed", reason: "stopped" };
  const child = start(call);
  if (!child) return { kind: "failed", reason: "not-started" };
  const ended = new Promise<{ exit: number | null; by: NodeJS.Signals | null }>((settle) => {
    child.once("exit", (exit, by) => settle({ exit, by }));
    child.once("error", () => settle({ exit: null, by: null }));
  });
  const { pid } = child;
  if (pid === undefined) {
    await ended;
    return { kind: "failed", reason: "not-started" };
  }
  const printed = collect(child.stdout, call.outputBytes);
  const logged = logLines(child.stderr, call.onLog ?? (() => {}));
  let why: "time-out" | "stopped" | undefined;
  let killer: NodeJS.Timeout | undefined;
  const stop = (reason: "time-out" | "stopped") => {
    if (why) return;
    why = reason;
    signalGroup(pid, "SIGTERM");
    killer = setTimeout(() => signalGroup(pid, "SIGKILL"), call.graceSeconds * 1000);
  };
  const stopped = () => stop("stopped");
  const timer = setTimeout(() => stop("time-out"), timeoutSeconds * 1000);
  signal?.addEventListener("abort", stopped);
  try {
    await call.onStart?.(pid);
    // Who does not read it need not.
    child.stdin.on("error", () => {}).end(`${JSON.stringify(call.input)}\n`);
    const { exit, by } = await ended;
    await Promise.race([
      Promise.all([printed.done, logged]),
      new Promise((resolve) => setTimeout(resolve, drainMilliseconds)),
    ]);
    return endOf(exit, by, why, printed.read());
  } finally {
    clearTimeout(timer);
    clearTimeout(killer);
    signal?.removeEventListener("abort", stopped);
    signalGroup(pid, "SIGKILL");
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
  }
}

/** @returns undefined where that fails at once, as it does for a program that is being written (ETXTBSY) */
function start({ file, args, environment }: Call) {
  const { PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG = "C.UTF-8" } = process.env;
  try {
    return spawn(file, args, {
      cwd: dirname(file),
      detached: true,
      env: { PATH, LANG, ...environment },
      stdio: ["pipe", "pipe", "pipe"],
    });
  } catch {
    return undefined;
  }
}

function endOf(
  exit: number | null,
  by: NodeJS.Signals | null,
  why: "time-out" | "stopped" | undefined,
  printed: ReturnType<Printed["read"]>,
): Ended {
  // What says itself how it ended is believed, also when it was told to stop.
  if (exit === 0) return { kind: "done", ...printed };
  if (exit === laterExit) return { kind: "later" };
  if (why) return { kind: "failed", reason: why, ...printed };
  if (exit !== null) return { kind: "failed", reason: "exit", exit, ...printed };
  return by ? { kind: "failed", reason: "signal", signal: by, ...printed } : { kind: "failed", reason: "not-started" };
}

/** Does nothing where none of the group is left. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It is gone.
  }
}

type Printed = {
  readonly done: Promise<void>;
  read(): { readonly output?: unknown; readonly unusable?: UnusableOutput };
};

/** Reads everything, so that nobody blocks on a full pipe, and keeps what fits. */
function collect(stream: Readable, most: number): Printed {
  const pieces: Buffer[] = [];
  let size = 0;
  stream.on("data", (piece: Buffer) => {
    size += piece.length;
    if (size <= most) pieces.push(piece);
  });
  return {
    done: closed(stream),
    read() {
      if (size > most) return { unusable: "too-large" };
      const bytes = Buffer.concat(pieces);
      if (bytes.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d))) return {};
      try {
        return { output: parseJson(new Uint8Array(bytes), "standard output") };
      } catch {
        return { unusable: "not-json" };
      }
    },
  };
}

async function logLines(stream: Readable, say: (line: string) => void): Promise<void> {
  let left = logBytes;
  let rest = "";
  const flush = (text: string) => {
    const lines = `${rest}${text}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") say(line);
  };
  stream.on("data", (piece: Buffer) => {
    if (left <= 0) return;
    flush(piece.subarray(0, left).toString());
    left -= piece.length;
    if (left < 0) flush("… (more is not logged)\n");
  });
  await closed(stream);
  flush("\n");
}

function closed(stream: Readable): Promise<void> {
  return new Promise((settle) => stream.once("close", settle).once("error", () => settle()));
}
