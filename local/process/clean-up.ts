import { setTimeout as delay } from "node:timers/promises";

import { isSameProcess, type ProcessIdentity } from "./process-identity.ts";
import { removeDeadState, type RunState } from "./run-state.ts";
import { removeRunFiles } from "../stack.ts";

const usualTerminateMilliseconds = 8_000;
const killMilliseconds = 5_000;
const pollMilliseconds = 50;

/** Ends what a killed `up` left, each process only if it is still the one that was recorded, and removes its files. */
export async function cleanUp(
  directory: string,
  state: RunState,
  terminateMilliseconds = usualTerminateMilliseconds,
): Promise<number> {
  const left = state.children.filter(isSameProcess);
  for (const child of left) await endProcess(child, { group: true, terminateMilliseconds });
  await removeRunFiles(directory);
  removeDeadState(directory, state);
  return left.length;
}

/** SIGTERM, then SIGKILL after a bound; resolves when it has ended and says whether it has. */
export async function endProcess(
  identity: ProcessIdentity,
  options: { readonly group: boolean; readonly terminateMilliseconds: number },
): Promise<boolean> {
  send(identity, identity.pid, "SIGTERM");
  if (await gone(identity, options.terminateMilliseconds)) return true;
  // Children lead a process group of their own (run-command.ts, emulator.ts).
  send(identity, options.group ? -identity.pid : identity.pid, "SIGKILL");
  return gone(identity, killMilliseconds);
}

function send(identity: ProcessIdentity, target: number, signal: NodeJS.Signals): void {
  if (!isSameProcess(identity)) return;
  try {
    process.kill(target, signal);
  } catch {
    // It ended between the look and the signal.
  }
}

async function gone(identity: ProcessIdentity, timeoutMilliseconds: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMilliseconds;
  while (isSameProcess(identity)) {
    if (Date.now() > deadline) return false;
    await delay(pollMilliseconds);
  }
  return true;
}
