import { setTimeout as sleep } from "node:timers/promises";

import { readDevice } from "../registry/device.ts";
import { type Decided, type Step, apply, presentDevice } from "./apply.ts";
import { type Verdict, judge } from "./judge.ts";
import { type VerifiedRequest, reopenRequest } from "./open.ts";
import type { MessagePorts } from "./ports.ts";

/** A lost race reads once more; behind this many, the device tries again later. */
const tries = 8;

/**
 * Gives a verified message its effect, exactly once: judges what was read, writes if nothing changed since, and otherwise reads and judges
 * again; whoever lost a race to the same message finds its outcome stored.
 * @returns what was written; undefined if others were faster every time
 * @throws Fault if the store or the custody does not answer; nothing was written, or the same message finds what was; TokenError if the key
 *   under which the message is signed ended before it could take effect
 */
export async function write(ports: MessagePorts, opened: VerifiedRequest, now: number): Promise<Step | undefined> {
  const { store, generation, exchanges } = ports;
  let request = opened;
  for (let attempt = 0; attempt < tries; attempt += 1) {
    const decided = await decide(request, judge(exchanges, request, now), now);
    const step = apply(request, decided, generation, now);
    if (step.puts.length === 0 || (await store.write(step.puts))) return step;
    await sleep(Math.random() * 10 * 2 ** attempt);
    const present = await readDevice(store, request.device.identity.deviceId, generation);
    if (!present) return undefined;
    request = await reopenRequest(request, present);
  }
  return undefined;
}

/** The one step that may ask outside: an exchange gathers what it decides on. */
async function decide(request: VerifiedRequest, verdict: Verdict, now: number): Promise<Decided> {
  if (verdict.kind !== "execute") return verdict;
  const { exchange, body, at } = verdict;
  const circumstances = { device: presentDevice(request), keys: request.keys, seq: at.seq, now };
  return { kind: "executed", decision: await exchange.decide(body, circumstances), acts: exchange.acts, at };
}
