import type { FirmwareVersion } from "../ports.ts";
import type { Hooks } from "./hooks.ts";

/** How long new firmware must be healthy without a break, and by when. */
export type TrialTimes = { readonly healthySeconds: number; readonly withinSeconds: number };

/** Between two questions to `health`. */
const mostSecondsBetween = 10;

/**
 * Watches firmware on trial until it was healthy for long enough, or its time is over. A machine without the hook is healthy as long as the
 * agent runs.
 * @param since uptime at which the trial began: a restart of the agent gives it no more time
 * @param sleep ends early when the agent is to stop
 * @returns null when it was to stop before it was decided
 */
export async function judgeTrial(input: {
  readonly firmware: FirmwareVersion;
  readonly since: number;
  readonly times: TrialTimes;
  readonly hooks: Hooks;
  readonly uptimeSeconds: () => number;
  readonly sleep: (seconds: number) => Promise<void>;
  readonly stopped: () => boolean;
}): Promise<"healthy" | "bad" | null> {
  const { firmware, since, times, hooks, uptimeSeconds, sleep, stopped } = input;
  const between = Math.min(mostSecondsBetween, times.healthySeconds / 4);
  let healthySince: number | undefined;
  for (;;) {
    const asked = uptimeSeconds();
    const { kind } = await hooks.run("health", { firmware });
    if (stopped()) return null;
    const now = uptimeSeconds();
    const isHealthy = kind === "done" || kind === "absent";
    healthySince = isHealthy ? (healthySince ?? asked) : undefined;
    if (healthySince !== undefined && now - healthySince >= times.healthySeconds) return "healthy";
    if (now - since >= times.withinSeconds) return "bad";
    await sleep(between);
    if (stopped()) return null;
  }
}
