import { describe, expect, test } from "vitest";

import { type ReadingRecord, readingsBodySchema } from "@sealpost/protocol/exchanges/readings.ts";
import { limits } from "@sealpost/protocol/limits.ts";

const record: ReadingRecord = { time: 1_764_064_800.5, name: "active", unit: "Wh", sum: 12_345.678 };
const body = { stream: "energy", records: [record] };
const accepts = (sent: unknown) => readingsBodySchema.safeParse(sent).success;
const copies = (length: number) => Array.from({ length }, () => record);
const filler = (bytes: number) => ({ ...body, records: [{ time: 0, data: { filler: "x".repeat(bytes) } }] });
const frame = JSON.stringify(filler(0)).length;
const wide = `${"x".repeat(limits.readings.bytes - frame - 1)}é`;

describe("the body of readings", () => {
  test.each([
    ["a sum", body],
    ["a text", { ...body, records: [{ time: 0, value: "open" }] }],
    ["a boolean", { ...body, records: [{ time: 0, value: false }] }],
    ["data alone", { ...body, records: [{ time: 0, data: { any: [{ json: null }] } }] }],
    ["an uptime of a boot", { ...body, records: [{ uptime: 0.25, bootId: "4b1f-2", value: 1 }] }],
    ["a number that no table holds", { ...body, records: [{ time: 0, value: 1e300, data: { least: 5e-324 } }] }],
    ["as many records as there may be", { ...body, records: copies(limits.readings.records) }],
    ["as many bytes as there may be", filler(limits.readings.bytes - frame)],
  ])("ok/%s", (_, sent) => {
    expect(accepts(sent)).toBe(true);
  });

  test.each([
    ["no record", { ...body, records: [] }],
    ["one record too many", { ...body, records: copies(limits.readings.records + 1) }],
    ["one byte too many", filler(limits.readings.bytes - frame + 1)],
    ["one character that is two bytes too many", { ...body, records: [{ time: 0, data: { filler: wide } }] }],
    ["no time", { ...body, records: [{ value: 1 }] }],
    ["two times", { ...body, records: [{ time: 1, uptime: 1, bootId: "4b1f", value: 1 }] }],
    ["an uptime of no boot", { ...body, records: [{ uptime: 1, value: 1 }] }],
    ["a boot without uptime", { ...body, records: [{ time: 1, bootId: "4b1f", value: 1 }] }],
    ["a time before 1970", { ...body, records: [{ time: -1, value: 1 }] }],
    ["nothing measured", { ...body, records: [{ time: 1, name: "active" }] }],
    ["data that is no object", { ...body, records: [{ time: 1, data: [1] }] }],
    ["a member that nobody knows", { ...body, records: [{ time: 1, value: 1, v: 1 }] }],
    ["a stream by another name", { ...body, stream: "Energy" }],
    ["a unit that is too long", { ...body, records: [{ time: 1, value: 1, unit: "x".repeat(65) }] }],
  ])("fails/%s", (_, sent) => {
    expect(accepts(sent)).toBe(false);
  });
});
