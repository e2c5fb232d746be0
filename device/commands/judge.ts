import type { Command } from "@sealpost/protocol/exchanges/commands.ts";

import type { CommandMarker } from "../ports.ts";

/** `expire`: it has to be marked as refused first; `run`: as run. The others are results as they are. */
export type Verdict = "run" | "expire" | "expired" | "interrupted";

/**
 * What becomes of the command in hand (rule 10 of commands). That something is called expired means that it was never started.
 * @param now Unix seconds, as the device estimates them
 */
export function judge(command: Command, marker: CommandMarker | null, deviceId: string, now: number): Verdict {
  const { n, expires, repeatable } = command;
  const isOver = expires !== undefined && now >= expires;
  if (marker?.deviceId !== deviceId || marker.n < n) return isOver ? "expire" : "run";
  if (marker.n > n) return "interrupted";
  if (marker.decision === "refused") return "expired";
  return repeatable && !isOver ? "run" : "interrupted";
}
