import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { expect } from "vitest";

export const bin = fileURLToPath(new URL("../../../device/bin.js", import.meta.url));

/** Stores readings in a folder: words are the folder, how many, and the pause after each in milliseconds. */
export const measure = fileURLToPath(new URL("measure.ts", import.meta.url));

export type AgentProcess = {
  readonly child: ChildProcess;
  /** What it said so far, line by line. */
  readonly lines: string[];
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Waits for a line that matches, among those from `from` on. */
  says(pattern: RegExp, from?: number): Promise<string>;
};

/** `sealpost-device run` as a process of its own. */
export function startAgent(
  globals: readonly string[],
  words: readonly string[],
  environment: NodeJS.ProcessEnv = {},
): AgentProcess {
  const child = spawn(process.execPath, [bin, "--max-wait", "5", ...globals, "run", ...words], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...environment },
  });
  const lines: string[] = [];
  let rest = "";
  child.stderr.on("data", (piece: Buffer) => {
    const parts = `${rest}${piece.toString()}`.split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once("close", (exit, signal) => resolve(signal ?? exit ?? -1));
  });
  return {
    child,
    lines,
    ended,
    async says(pattern, from = 0) {
      const find = () => lines.slice(from).find((line) => pattern.test(line));
      await expect
        .poll(find, { timeout: 30_000, interval: 20, message: `${pattern} in\n${lines.join("\n")}` })
        .toBeDefined();
      return find() ?? "";
    },
  };
}

/** A folder of shell scripts by name, as commands and hooks are. */
export async function writeScripts(folder: string, scripts: { readonly [name: string]: string }): Promise<string> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  await chmod(folder, 0o755);
  for (const [name, text] of Object.entries(scripts)) {
    await writeFile(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    await chmod(join(folder, name), 0o755);
  }
  return folder;
}
