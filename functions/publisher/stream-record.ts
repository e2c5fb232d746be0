import type { PublishedEvent } from "@sealpost/protocol/operator/events.ts";
import * as z from "zod/mini";

import { type Attributes, fromAttributes } from "../aws/attributes.ts";
import { parseEntry } from "../registry/journal.ts";
import { decodeReadings } from "../registry/readings.ts";
import { parseRecord } from "../store/records.ts";
import { journalEvent, readingsEvent } from "./event.ts";

/** One change of an item as a stream of DynamoDB hands it to a function; a removal has no new image. */
const streamRecordSchema = z.object({
  dynamodb: z.object({
    NewImage: z.optional(
      z.custom<Attributes>((value) => z.record(z.string(), z.looseObject({})).safeParse(value).success),
    ),
  }),
});

const measuredSchema = z.object({ deviceId: z.uuid(), item: z.literal("window"), readings: z.instanceof(Uint8Array) });

/**
 * The events that a record of either table stands for; none for what is no event.
 * @throws whatever makes the record unreadable
 */
export function eventsOf(record: unknown): PublishedEvent[] {
  const { NewImage } = streamRecordSchema.parse(record).dynamodb;
  if (!NewImage) return [];
  const item = fromAttributes(NewImage);
  if ("readings" in item) {
    const { deviceId, readings } = parseRecord(measuredSchema, item);
    return decodeReadings(readings).map((accepted) => readingsEvent(deviceId, accepted));
  }
  return "action" in item ? [journalEvent(parseEntry(item))] : [];
}
