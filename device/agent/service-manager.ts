import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { type Act, lineOf } from "./acts.ts";

/** What starts and watches this process. It is told how things are, and asked nothing. */
export type ServiceManager = {
  ready(): Promise<void>;
  stopping(): Promise<void>;
  status(act: Act): void;
  /** Something moved: what is under way is not stuck. */
  alive(): void;
  close(): void;
};

/**
 * systemd (sd_notify(3)), if it started this process. Node opens no Unix datagram socket, and a native module would have to be built for every
 * device; `systemd-notify` comes with systemd itself. It sends from a process of its own, so the unit needs `NotifyAccess=all`.
 * @param longestSilenceSeconds after which the watchdog is no longer fed; more than any try, pause or executable may take
 */
export function systemdManager(
  environment: NodeJS.ProcessEnv,
  uptimeSeconds: () => number,
  longestSilenceSeconds: number,
): ServiceManager {
  if (!environment["NOTIFY_SOCKET"]) return nobody;
  const notify = async (...words: string[]) => {
    // Who cannot be told finds out by itself: no READY, no watchdog.
    await promisify(execFile)("systemd-notify", words, { env: environment, timeout: 5_000 }).catch(() => {});
  };
  let last = uptimeSeconds();
  const isAlive = () => uptimeSeconds() - last < longestSilenceSeconds;
  const period = watchdogSeconds(environment);
  let text = "";
  const status = () => (text ? [`--status=${text}`] : []);
  const feed = () => void (isAlive() && notify("WATCHDOG=1", ...status()));
  const timer = period && setInterval(feed, (period * 1000) / 2);
  return {
    ready: async () => notify("--ready", ...status()),
    stopping: async () => notify("STOPPING=1"),
    status(act) {
      last = uptimeSeconds();
      text = lineOf(act);
    },
    alive() {
      last = uptimeSeconds();
    },
    close() {
      if (timer) clearInterval(timer);
    },
  };
}

const nobody: ServiceManager = {
  async ready() {},
  async stopping() {},
  status() {},
  alive() {},
  close() {},
};

/** WATCHDOG_USEC, if it is meant for this process (sd_watchdog_enabled(3)). */
function watchdogSeconds(environment: NodeJS.ProcessEnv): number | undefined {
  const { WATCHDOG_USEC: microseconds, WATCHDOG_PID: pid } = environment;
  if (pid !== undefined && Number(pid) !== process.pid) return undefined;
  const seconds = Number(microseconds) / 1_000_000;
  return seconds > 0 ? seconds : undefined;
}
