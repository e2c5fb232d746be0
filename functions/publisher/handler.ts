import type { PublishedEvent } from "@sealpost/protocol/operator/events.ts";
import * as z from "zod/mini";

import { explain } from "../fault/explain.ts";
import { type Fields, logInvocation } from "../fault/log.ts";
import { isDayCursor, listDay, parseEntry } from "../registry/journal.ts";
import { journalEvent } from "./event.ts";
import type { Parked } from "./parked.ts";
import type { PublisherPorts, Taken } from "./ports.ts";
import { publish } from "./publish.ts";
import { eventsOf } from "./stream-record.ts";

/** How long one invocation goes on trying; what is left of its time-out (infra/events.ts) is for parking. */
const publishMilliseconds = 30_000;

const streamSchema = z.object({ Records: z.array(z.unknown()) });
const redriveSchema = z.strictObject({ redrive: z.literal(true) });
const replaySchema = z.strictObject({
  replay: z.strictObject({ day: z.iso.date(), cursor: z.optional(z.string()) }),
});

/** What an operator's call is answered with. */
export type Answer = { readonly published: number; readonly parked: number; readonly cursor?: string };

/**
 * Publishes what the streams of the tables bring, and what an operator asks for again. It throws only where something can neither be published nor
 * parked: then the stream brings it again.
 */
export function makeHandler(ports: PublisherPorts) {
  return async (input: unknown): Promise<Answer> => {
    const started = performance.now();
    const log = (fields: Fields) =>
      logInvocation({ function: "publisher", ...fields, milliseconds: Math.round(performance.now() - started) });
    try {
      const { answer, fields } = await answerTo(input, ports);
      log({ outcome: answer.parked > 0 ? "parked" : "ok", ...answer, ...fields, cursor: undefined });
      return answer;
    } catch (error) {
      log(explain(error).fields);
      throw error;
    }
  };
}

type Answered = { readonly answer: Answer; readonly fields: Fields };

async function answerTo(input: unknown, ports: PublisherPorts): Promise<Answered> {
  const stream = streamSchema.safeParse(input);
  if (stream.success) return publishRecords(stream.data.Records, ports);
  if (redriveSchema.safeParse(input).success) return redrive(ports);
  const asked = replaySchema.safeParse(input);
  if (asked.success) return replay(asked.data.replay, ports);
  throw new Error('the publisher takes records of a stream, {"redrive": true} or {"replay": {"day": "2026-11-25"}}');
}

/** By record: what cannot be read or published stops nothing else. */
async function publishRecords(records: readonly unknown[], ports: PublisherPorts): Promise<Answered> {
  const read = records.map(readRecord);
  const unreadable = read.flatMap((one) => ("parked" in one ? [one.parked] : []));
  const events = read.flatMap((one) => ("events" in one ? one.events : []));
  const { unpublished, errors } = await publish(ports.target, events, patience(ports));
  const parked: Parked[] = [...unreadable, ...unpublished];
  await ports.parking.park(parked);
  const { reason } = read.find((one) => "reason" in one) ?? {};
  return {
    answer: { published: events.length - unpublished.length, parked: parked.length },
    fields: { ...tally(parked), reason, errors: errors.join(" ") || undefined },
  };
}

type Read =
  | { readonly events: readonly PublishedEvent[] }
  | { readonly parked: Parked; readonly reason: string | undefined };

function readRecord(record: unknown): Read {
  try {
    return { events: eventsOf(record) };
  } catch (error) {
    const { reason } = explain(error).fields;
    return { parked: { why: "unreadable", record }, reason: String(reason) };
  }
}

/** What is parked is published once more, as far as the time goes; what still cannot be stays where it is. */
async function redrive(ports: PublisherPorts): Promise<Answered> {
  const until = patience(ports);
  let published = 0;
  let parked = 0;
  const errors = new Set<string>();
  while (ports.now() < until.until) {
    const taken = await ports.parking.take();
    if (taken.length === 0) break;
    const events = taken.map(eventsOfTaken);
    const again = await publish(ports.target, events.flat(), until);
    const left = new Set(again.unpublished.map(({ event }) => event));
    const done = taken.filter((_, at) => events[at]?.length && events[at].every((event) => !left.has(event)));
    await ports.parking.release(done.map(({ handle }) => handle));
    for (const name of again.errors) errors.add(name);
    published += done.length;
    parked += taken.length - done.length;
  }
  return { answer: { published, parked }, fields: { act: "redrive", errors: [...errors].join(" ") || undefined } };
}

/** None for what this version cannot read either. */
function eventsOfTaken({ parked }: Taken): readonly PublishedEvent[] {
  if (!parked) return [];
  if ("event" in parked) return [parked.event];
  const read = readRecord(parked.record);
  return "events" in read ? read.events : [];
}

/** A page of a day of the journal, newest first; with its cursor the next call goes on. */
async function replay(
  { day, cursor }: z.infer<typeof replaySchema>["replay"],
  ports: PublisherPorts,
): Promise<Answered> {
  if (cursor !== undefined && !isDayCursor(day, cursor)) throw new Error("the cursor is of another day");
  const page = await listDay(ports.store, day, { limit: replayPage, cursor });
  const events = page.items.map((item) => journalEvent(parseEntry(item)));
  const { unpublished, errors } = await publish(ports.target, events, patience(ports));
  await ports.parking.park(unpublished);
  return {
    answer: {
      published: events.length - unpublished.length,
      parked: unpublished.length,
      ...(page.cursor === undefined ? {} : { cursor: page.cursor }),
    },
    fields: { act: "replay", day, ...tally(unpublished), errors: errors.join(" ") || undefined },
  };
}

const replayPage = 500;

function patience({ now }: PublisherPorts) {
  return { now, until: now() + publishMilliseconds };
}

function tally(parked: readonly Parked[]): Fields {
  const count = (why: Parked["why"]) => parked.filter((one) => one.why === why).length || undefined;
  return { rejected: count("rejected"), unavailable: count("unavailable"), unreadable: count("unreadable") };
}
