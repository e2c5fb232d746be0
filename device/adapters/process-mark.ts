import { readFile, readlink } from "node:fs/promises";

import * as z from "zod/mini";

import { errorCode } from "./durable-file.ts";

/** Which process: its number alone says little, since numbers are used again and each container counts for itself. */
const processMarkSchema = z.object({
  pid: z.int().check(z.positive()),
  /** The kernel's random id of this start of the machine. Null where there is none, as are the next two. */
  boot: z.nullable(z.string()),
  /** The process id namespace that counts so. */
  namespace: z.nullable(z.string()),
  /** When the process started, in ticks since the machine did. */
  started: z.nullable(z.string()),
});
export type ProcessMark = z.infer<typeof processMarkSchema>;

export async function ownMark(): Promise<ProcessMark> {
  return markOf(process.pid);
}

/** @param pid of this process or one that it started */
export async function markOf(pid: number): Promise<ProcessMark> {
  return {
    pid,
    boot: await readLine("/proc/sys/kernel/random/boot_id"),
    namespace: await readlink("/proc/self/ns/pid").catch(() => null),
    started: (await readStat(pid === process.pid ? "self" : String(pid)))?.started ?? null,
  };
}

/** @returns null for text that is no mark */
export function parseMark(text: string): ProcessMark | null {
  try {
    return processMarkSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/**
 * Whether a process of this machine still runs. `unknown`: another namespace counts it, which cannot be looked into from here.
 * @param isOwn whether a mark with this process's own number is known to be its own, where the system does not say when processes started
 */
export async function judgeProcess(
  mark: ProcessMark,
  own: ProcessMark,
  isOwn: boolean,
): Promise<"alive" | "gone" | "unknown"> {
  if (mark.boot !== own.boot) return "gone";
  if (mark.namespace !== own.namespace) return "unknown";
  // A /proc that another namespace mounted speaks of other processes under the same numbers.
  const readable = (await readStat("self"))?.pid === process.pid;
  if (readable && mark.started !== null) {
    return (await readStat(String(mark.pid)))?.started === mark.started ? "alive" : "gone";
  }
  if (mark.pid === process.pid) return isOwn ? "alive" : "gone";
  return answersSignals(mark.pid) ? "alive" : "gone";
}

function answersSignals(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

/** proc_pid_stat(5): the name is in parentheses and may hold any character; the start is field 22. */
async function readStat(process: string): Promise<{ pid: number; started: string | null } | null> {
  const line = await readLine(`/proc/${process}/stat`);
  if (line === null) return null;
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  return { pid: Number.parseInt(line, 10), started: fields[22 - 3] ?? null };
}

async function readLine(path: string): Promise<string | null> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch {
    return null;
  }
}
