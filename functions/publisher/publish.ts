import { setTimeout as sleep } from "node:timers/promises";

import type { PublishedEvent } from "@sealpost/protocol/operator/events.ts";

import { splitIntoCalls } from "./calls.ts";
import { eventText, orderKey } from "./event.ts";
import { awsErrorName } from "../fault/aws-fault.ts";
import type { Outgoing, Target, Verdict } from "./ports.ts";

/** What is left of an attempt to publish. */
export type Unpublished = { readonly why: "rejected" | "unavailable"; readonly event: PublishedEvent };
export type Publication = {
  readonly unpublished: readonly Unpublished[];
  /** Names of the errors with which calls failed as a whole. */
  readonly errors: readonly string[];
};

/** Tries of one call before its events are given up for now. */
const tries = 4;
const pauseMilliseconds = 100;

/**
 * Publishes events, in their order where the target keeps one. What it will never take, and what it does not take in time, is returned: it stops
 * nothing else.
 * @param until milliseconds as of `now`; after it nothing is tried any more
 */
export async function publish(
  target: Target,
  events: readonly PublishedEvent[],
  { now, until }: { readonly now: () => number; readonly until: number },
): Promise<Publication> {
  const errors = new Set<string>();
  let isDown = false;
  const outgoing = events.map((event) => ({ event, text: eventText(event), key: orderKey(event) }));

  const sendAll = async (call: readonly Outgoing[]): Promise<Unpublished[]> => {
    let waiting = call;
    const rejected: Unpublished[] = [];
    // Whoever comes after a call that was given up tries once: the next batch of the stream waits as well.
    for (let attempt = 0; attempt < (isDown ? 1 : tries) && now() < until; attempt += 1) {
      if (attempt > 0) await sleep(pauseMilliseconds * 2 ** attempt * (0.5 + Math.random() / 2));
      const verdicts = await target.send(waiting).catch((error: unknown) => {
        errors.add(awsErrorName(error));
        return isMalformed(error) ? ("malformed" as const) : waiting.map(() => "later" as const);
      });
      if (verdicts === "malformed" && waiting.length > 1) {
        // One of them spoils the call for all.
        const alone: Unpublished[][] = [];
        for (const one of waiting) alone.push(await sendAll([one]));
        return [...rejected, ...alone.flat()];
      }
      const isAs = (verdict: Verdict) => (_: Outgoing, at: number) =>
        (verdicts === "malformed" ? "rejected" : (verdicts[at] ?? "later")) === verdict;
      rejected.push(...waiting.filter(isAs("rejected")).map(({ event }) => ({ why: "rejected", event }) as const));
      waiting = waiting.filter(isAs("later"));
      if (waiting.length === 0) return rejected;
    }
    isDown = true;
    return [...rejected, ...waiting.map(({ event }) => ({ why: "unavailable", event }) as const)];
  };

  const unpublished: Unpublished[] = [];
  for (const wave of target.ordered ? wavesOf(outgoing) : [outgoing]) {
    const calls = await Promise.all(splitIntoCalls(wave, bytesOf, target.most).map(sendAll));
    unpublished.push(...calls.flat());
  }
  return { unpublished, errors: [...errors] };
}

/** The call is refused as it is, so that the same again is no use. */
const malformed = new Set([
  "BatchRequestTooLong",
  "InvalidArgumentException",
  "InvalidMessageContents",
  "InvalidParameterValue",
  "InvalidParameterValueException",
  "MalformedDetail",
  "PayloadTooLarge",
  "RequestEntityTooLarge",
  "ValidationError",
  "ValidationException",
]);

/** Some services put the name of the API's shape before it, as `AWS.SimpleQueueService.BatchRequestTooLong`. */
function isMalformed(error: unknown): boolean {
  return malformed.has(awsErrorName(error).split(".").at(-1) ?? "");
}

/** The nth events of all keys form the nth wave: a part of one that is sent again overtakes nothing. */
function wavesOf(outgoing: readonly Outgoing[]): Outgoing[][] {
  const waves: Outgoing[][] = [];
  const lengths = new Map<string, number>();
  for (const one of outgoing) {
    const at = lengths.get(one.key) ?? 0;
    lengths.set(one.key, at + 1);
    (waves[at] ??= []).push(one);
  }
  return waves;
}

/** What an entry of a call weighs besides its text: names, keys, source, time. */
const entryBytes = 512;

function bytesOf({ text }: Outgoing): number {
  return Buffer.byteLength(text) + entryBytes;
}
