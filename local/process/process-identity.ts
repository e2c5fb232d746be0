import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** A process that cannot be mistaken for a later one with the same id. */
export type ProcessIdentity = {
  readonly pid: number;
  /** Opaque; equal for the same process only. */
  readonly startTime: string;
};

export function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it exists and is somebody else's.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** `null` when no such process runs (a zombie has ended too). */
export function identifyProcess(pid: number): ProcessIdentity | null {
  const startTime = process.platform === "linux" ? linuxStartTime(pid) : psStartTime(pid);
  return startTime === null ? null : { pid, startTime };
}

export function isSameProcess(identity: ProcessIdentity): boolean {
  return identifyProcess(identity.pid)?.startTime === identity.startTime;
}

/** Field 22 of proc_pid_stat(5), counted after the parenthesised name, which may hold spaces. */
function linuxStartTime(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

function psStartTime(pid: number): string | null {
  try {
    const line = execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" });
    return line.trim() || null;
  } catch {
    return null;
  }
}
