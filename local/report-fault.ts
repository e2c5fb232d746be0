import { appendFileSync, mkdirSync } from "node:fs";
import { join, relative } from "node:path";

import { LocalFault } from "./fault.ts";

/** Tells a user what happened, never with a stack; the stack of something unforeseen goes into a log file. */
export function reportFault(error: unknown, directory: string): void {
  if (error instanceof LocalFault) {
    console.error(error.message);
    return;
  }
  const logs = join(directory, "logs");
  const path = join(logs, "fault.log");
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  mkdirSync(logs, { recursive: true });
  appendFileSync(path, `${new Date().toISOString()} ${stack}\n`);
  const message = error instanceof Error ? error.message : String(error);
  console.error(`Something unforeseen went wrong: ${message}`);
  console.error(`Details: ${relative(process.cwd(), path)}`);
}
