import { setTimeout as delay } from "node:timers/promises";

import { isSameProcess, type ProcessIdentity } from "./process-identity.ts";
import { removeDeadState, type RunState } from "./run-state.ts";
import { removeRunFiles } from "../stack.ts";

const TERMINATE_MS = 8_000;
const KILL_MS = 5_000;
const POLL_MS = 50;

/** Ends what a killed `up` left, each process only if it is still the one that was recorded, and removes its files. */
export async function cleanUp(directory: string, state: RunState, terminateMs = TERMINATE_MS): Promise<number> {
  const left = state.children.filter(isSameProcess);
  for (const child of left) await endProcess(child, { group: true, terminateMs });
  await removeRunFiles(directory);
  removeDeadState(directory, state);
  return left.length;
}

/** SIGTERM, then SIGKILL after a bound; resolves when it has ended and says whether it has. */
export async function endProcess(
  identity: ProcessIdentity,
  options: { readonly group: boolean; readonly terminateMs: number },
): Promise<boolean> {
  send(identity, identity.pid, "SIGTERM");
  if (await gone(identity, options.terminateMs)) return true;
  // Children lead a process group of their own (run-command.ts, emulator.ts).
  send(identity, options.group ? -identity.pid : identity.pid, "SIGKILL");
  return gone(identity, KILL_MS);
}

function send(identity: ProcessIdentity, target: number, signal: NodeJS.Signals): void {
  if (!isSameProcess(identity)) return;
  try {
    process.kill(target, signal);
  } catch {
    // It ended between the look and the signal.
  }
}

async function gone(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isSameProcess(identity)) {
    if (Date.now() > deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}
