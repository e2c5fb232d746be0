import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { Device } from "../../device/device.ts";
import type { HttpAnswer, MessageTransport } from "../../device/ports.ts";
import {
  type Bench,
  type Home,
  bootstrapped,
  journal,
  openBench,
  profile,
  registryEntry,
  steadyTiming,
  toAnswer,
} from "./support/bench.ts";
import { PowerCut } from "./support/crash.ts";

/** What a relay does to one post, or the world to the device. */
const acts = [
  "pass",
  "lose-request",
  "lose-reply",
  "repeat",
  "replay-request",
  "replay-reply",
  "garbage",
  "power-cut",
] as const;
type Act = (typeof acts)[number];

beforeEach(() => vi.spyOn(process.stdout, "write").mockReturnValue(true));
afterEach(() => vi.restoreAllMocks());

/** Keeps everything it ever saw, and does as the script says. */
function scriptedRelay(home: Home, script: Act[], cut: () => void): MessageTransport {
  const requests: string[] = [];
  const replies: HttpAnswer[] = [];
  const forward = async (url: string, token: string) => {
    const answer = await home.messages.post(url, token);
    replies.push(answer);
    return answer;
  };
  return {
    ...home.messages,
    async post(url, token) {
      requests.push(token);
      const nth = <T>(all: readonly T[]) => all[(requests.length * 7) % Math.max(1, all.length)];
      switch (script.shift() ?? "pass") {
        case "pass":
          return forward(url, token);
        case "lose-request":
          throw new Error("lost");
        case "lose-reply":
          await forward(url, token);
          throw new Error("lost");
        case "repeat":
          await forward(url, token);
          return forward(url, token);
        case "replay-request":
          return forward(url, nth(requests) ?? token);
        case "replay-reply":
          return nth(replies) ?? toAnswer(502, "");
        case "garbage":
          return toAnswer(200, token.toUpperCase());
        case "power-cut":
          await forward(url, token);
          cut();
          throw new PowerCut();
      }
    },
  };
}

/** Every message in order, over power cuts that take the process with them. */
async function deliverAll(bench: Bench, home: Home, script: Act[]): Promise<string[]> {
  const wanted = ["r1", "r2", "r3"];
  let dead = false;
  const messages = scriptedRelay(home, script, () => void (dead = true));
  for (let lives = 0; lives < 20; lives += 1) {
    dead = false;
    const timing = steadyTiming();
    const sleep = (seconds: number) => (dead ? Promise.reject(new PowerCut()) : timing.sleep(seconds));
    const options = { timing: { ...timing, sleep }, maxWaitSeconds: 600 };
    const device = await Device.open({ ports: { ...home, messages }, options });
    const done = device.status().hardware;
    const rest = wanted.slice(wanted.indexOf(done ?? "") + 1);
    const queued = device.status().pending?.length ?? 0;
    try {
      // What is queued already is sent before anything new.
      for (const hardware of rest.slice(queued)) await device.register({ ...profile, hardware });
      if (device.status().pending?.length === 0) return wanted;
      await device.checkFirmware();
      return wanted;
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
    }
  }
  throw new Error(`never done by ${bench.credential.serviceId}`);
}

test("ok/whatever the relay does, each message has its effect exactly once, in order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom(...acts), { maxLength: 12 }), async (script) => {
      const bench = await openBench();
      const { device, home } = await bootstrapped(bench);
      const wanted = await deliverAll(bench, home, [...script]);
      const entry = await registryEntry(bench, device.status().deviceId);
      const effects = (await journal(bench, device.status().deviceId)).filter((act) => act === "device.registered");
      expect(effects).toHaveLength(wanted.length);
      expect(entry?.identity.registration?.hardware).toBe(wanted.at(-1));
    }),
    { numRuns: 40 },
  );
});
