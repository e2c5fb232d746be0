import { randomBytes } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { z } from "zod/mini";

import { LocalFault } from "../fault.ts";
import { identifyProcess, isSameProcess, type ProcessIdentity } from "./process-identity.ts";

const identity = z.object({ pid: z.int().check(z.positive()), startTime: z.string() });
const stateFile = z.object({ up: identity, children: z.array(identity) });

/** Who runs `up` in a folder, and which processes it started. */
export type RunState = z.infer<typeof stateFile>;

export type Claim = {
  /** Adds a child process, for `down` to end should this process be killed. */
  record(pid: number): void;
  release(): void;
};

function statePath(directory: string): string {
  return join(directory, "up.json");
}

/** `null`: nobody has claimed the folder. */
export function readRunState(directory: string): RunState | null {
  let text: string;
  try {
    text = readFileSync(statePath(directory), "utf8");
  } catch {
    return null;
  }
  try {
    return stateFile.parse(JSON.parse(text));
  } catch (error) {
    throw new LocalFault(
      "state-unreadable",
      `${statePath(directory)} is damaged. If nothing of it runs (pgrep -af ministack), delete it.`,
      { cause: error },
    );
  }
}

/**
 * Claims the folder for this process, or says who has it. A hard link is made with its content or not at all, so of two
 * processes that try at once one wins; what a dead process left must have been cleaned up before (`cleanUp`).
 */
export function claimRun(directory: string): Claim {
  mkdirSync(directory, { recursive: true });
  const own = identifyProcess(process.pid);
  if (own === null) throw new LocalFault("state-unreadable", "This process cannot identify itself.");
  const children: ProcessIdentity[] = [];
  const path = statePath(directory);
  const write = (place: (temporary: string) => void): void => {
    const temporary = `${path}.${process.pid}-${randomBytes(4).toString("hex")}`;
    writeFileSync(temporary, `${JSON.stringify({ up: own, children })}\n`);
    try {
      place(temporary);
    } finally {
      rmSync(temporary, { force: true });
    }
  };
  try {
    write((temporary) => linkSync(temporary, path));
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    throw new LocalFault("already-running", runningMessage(readRunState(directory)), {
      cause: error,
    });
  }
  return {
    record: (pid) => {
      const child = identifyProcess(pid);
      if (child === null) return;
      children.push(child);
      write((temporary) => renameSync(temporary, path));
    },
    release: () => rmSync(path, { force: true }),
  };
}

export function isRunning(state: RunState): boolean {
  return isSameProcess(state.up);
}

export function runningMessage(state: RunState | null): string {
  const who = state === null ? "" : ` (process ${state.up.pid})`;
  return `A local stack is already up here${who}. End it with Ctrl-C in its terminal or with: npm run down`;
}

/**
 * Takes a dead run's state away, and only that: if another process has just replaced it, it is put back.
 * Returns whether it is gone.
 */
export function removeDeadState(directory: string, dead: RunState): boolean {
  const path = statePath(directory);
  const aside = `${path}.dead-${process.pid}-${randomBytes(4).toString("hex")}`;
  try {
    renameSync(path, aside);
  } catch {
    return true;
  }
  const taken = stateFile.safeParse(JSON.parse(readFileSync(aside, "utf8")));
  const isTheDeadOne = taken.success && taken.data.up.startTime === dead.up.startTime;
  if (!isTheDeadOne) linkSync(aside, path);
  rmSync(aside, { force: true });
  return isTheDeadOne;
}
