import { deflateRawSync, inflateRawSync } from "node:zlib";

import { readingRecordSchema, readingsBodySchema } from "@sealpost/protocol/exchanges/readings.ts";
import * as z from "zod/mini";

import { Fault } from "../fault/fault.ts";

const { stream } = readingsBodySchema.shape;

/** What one message measured, as it was accepted. */
const acceptedSchema = z.object({
  seq: z.int().check(z.positive()),
  /** Of receipt, Unix seconds. */
  time: z.int().check(z.nonnegative()),
  serialNumber: z.string(),
  stream,
  records: z.array(readingRecordSchema),
});
export type AcceptedReadings = z.infer<typeof acceptedSchema>;

const listSchema = z.array(acceptedSchema).check(z.minLength(1));
const rowsSchema = z.array(z.tuple([z.unknown(), z.unknown(), z.unknown(), z.unknown(), z.unknown()]));

/** Format of the attribute, its first byte: another one as soon as an older publisher could not read it. */
const format = 1;
/** Far above what fits into one item. */
const mostBytes = 16_777_216;
/** What texts of few records are made of, the most frequent last (RFC 1951: a distance costs more bits the further back it leads). */
const dictionary = Buffer.from(
  '"bootId":""data":{"uptime":"unit":"V","unit":"A","unit":"Cel","unit":"kWh","unit":"Wh",,"value":true}]]],"value":false}]]]' +
    ',"value":0.},{"time":17,"name":"","unit":"","value":1,"sum":1}]]][[1",["',
);

/**
 * All readings of one write as one attribute: JSON, deflated. A number of DynamoDB has other limits than one of JSON (1e300 is none there), each KB
 * costs a write unit in this write and in the next, and a series of records deflates to an eighth.
 */
export function encodeReadings(accepted: readonly AcceptedReadings[]): Uint8Array {
  const rows = accepted.map(({ seq, time, serialNumber, stream, records }) => [
    seq,
    time,
    serialNumber,
    stream,
    records,
  ]);
  // The fastest level: what does not deflate is a matter of whoever sent it, and costs the least here.
  const deflated = deflateRawSync(JSON.stringify(rows), { dictionary, level: 1 });
  return Buffer.concat([Buffer.of(format), deflated]);
}

/** @throws Fault `unavailable` on what `encodeReadings` did not write */
export function decodeReadings(encoded: Uint8Array): AcceptedReadings[] {
  try {
    if (encoded[0] !== format) throw new Error(`format ${encoded[0]}`);
    const text = inflateRawSync(encoded.subarray(1), { dictionary, maxOutputLength: mostBytes }).toString();
    const rows = rowsSchema.parse(JSON.parse(text));
    return listSchema.parse(
      rows.map(([seq, time, serialNumber, stream, records]) => ({ seq, time, serialNumber, stream, records })),
    );
  } catch (cause) {
    throw new Fault("unavailable", "stored readings do not fit", { cause });
  }
}
