import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { uptime } from "node:os";

import type { Uptime } from "../ports.ts";

/**
 * The kernel's random id of this start of the machine, and the time since then, also asleep: all processes tell the same. Where there is no such
 * id, as on other systems than Linux, a start of the machine is as long as the process.
 */
export function nodeUptime(): Uptime {
  let own: string | undefined;
  return {
    async bootId() {
      try {
        return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
      } catch {
        own ??= randomUUID();
        return own;
      }
    },
    seconds: uptime,
  };
}
