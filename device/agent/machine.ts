import { readFile } from "node:fs/promises";
import { uptime } from "node:os";

/** This start of the machine. A restart is told by its id, never by a clock: clocks are set, and a machine may sleep. */
export type Machine = {
  /** Another one after each start; empty where the system has none, and then no restart is ever told. */
  readonly bootId: string;
  /** Seconds since that start, asleep or not. */
  uptimeSeconds(): number;
};

/** @param file where the system tells it */
export async function readMachine(file: string): Promise<Machine> {
  const bootId = await readFile(file, "utf8").then(
    (text) => text.trim(),
    () => "",
  );
  return { bootId, uptimeSeconds: uptime };
}
