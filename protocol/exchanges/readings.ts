import * as z from "zod/mini";

import { limits } from "../limits.ts";
import { defineExchange } from "./define-exchange.ts";

export const readingsOperation = "readings";

export const streamSchema = z.string().check(z.regex(/^[a-z][a-z0-9.-]{0,63}$/));
const seconds = z.number().check(z.nonnegative());
const label = z.string().check(z.maxLength(64));

/** When it was measured, as far as the device knows: never "now", since a message may wait for days. */
function hasOneTime({ time, uptime, bootId }: { time?: unknown; uptime?: unknown; bootId?: unknown }): boolean {
  return time === undefined
    ? uptime !== undefined && bootId !== undefined
    : uptime === undefined && bootId === undefined;
}

/** One measurement, in the model of SenML (RFC 8428) under names that can be read. */
export const readingRecordSchema = z
  .strictObject({
    /** Unix seconds of the service's time, as the device estimates it. */
    time: z.optional(seconds),
    /** Seconds since the boot `bootId`, of a device that does not know the time. */
    uptime: z.optional(seconds),
    bootId: z.optional(z.string().check(z.regex(/^[A-Za-z0-9-]{1,64}$/))),
    /** SenML `n`. */
    name: z.optional(label),
    /** SenML `u`. */
    unit: z.optional(label),
    /** SenML `v`, `vs` or `vb`. */
    value: z.optional(z.union([z.number(), z.string(), z.boolean()])),
    /** SenML `s`: an integrated value. */
    sum: z.optional(z.number()),
    /** Any JSON object beside it. */
    data: z.optional(z.record(z.string(), z.unknown())),
  })
  .check(
    z.refine(hasOneTime, { path: ["time"] }),
    z.refine(({ value, sum, data }) => value !== undefined || sum !== undefined || data !== undefined, {
      path: ["value"],
    }),
  );
export type ReadingRecord = z.infer<typeof readingRecordSchema>;

/** What a device measured, oldest first; a batch of one stream. */
export const readingsBodySchema = z
  .strictObject({
    stream: streamSchema,
    records: z.array(readingRecordSchema).check(z.minLength(1), z.maxLength(limits.readings.records)),
  })
  .check(z.refine((body) => jsonBytes(body) <= limits.readings.bytes, { path: ["records"] }));
export type ReadingsBody = z.infer<typeof readingsBodySchema>;

export const readingsReplySchema = z.object({});

export const readings = defineExchange({
  operation: readingsOperation,
  request: readingsBodySchema,
  reply: readingsReplySchema,
});

const utf8 = new TextEncoder();

/** Bytes of a value as JSON without white space, in UTF-8: what `limits.readings.bytes` bounds. */
export function jsonBytes(value: unknown): number {
  return utf8.encode(JSON.stringify(value)).length;
}
