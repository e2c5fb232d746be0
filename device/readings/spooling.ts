import { type ReadingRecord, jsonBytes, readings, streamSchema } from "@sealpost/protocol/exchanges/readings.ts";

import type { Boot } from "../delivery/outbox-ports.ts";
import { checkBody } from "../delivery/outbox.ts";
import { DeviceError } from "../device-error.ts";
import type { ReadingSpool } from "../ports.ts";
import type { BootTime } from "../state/state.ts";
import { mostBatchBytes, toEntries } from "./batch.ts";
import type { Reading, SendOptions, Sent } from "./reading.ts";
import { stampNow } from "./stamp.ts";

/**
 * Stores readings until they are sent. Needs neither the home's lock nor the network, so that any process may do it.
 * @param known what the device knows of the time
 * @throws DeviceError `argument-invalid` · `spool-full` · `no-space`
 */
export async function spoolReadings(
  given: { readonly stream: string; readonly records: readonly Reading[] } & SendOptions,
  ports: { readonly spool: ReadingSpool; readonly boot: Boot; readonly known: BootTime | null },
): Promise<Sent> {
  const { stream, whenFull = "drop-oldest" } = given;
  if (!streamSchema.safeParse(stream).success) throw new DeviceError("argument-invalid", "the stream's name");
  const stamp = stampNow(ports.boot, ports.known);
  const records = given.records.map((reading, index) => toRecord(stream, reading, stamp, index));
  if (records.length === 0) return { stored: 0, dropped: 0 };
  const { dropped } = await ports.spool.append(toEntries(stream, records), whenFull);
  return { stored: records.length, dropped };
}

function toRecord(
  stream: string,
  { time, ...measured }: Reading,
  stamp: ReturnType<typeof stampNow>,
  index: number,
): ReadingRecord {
  const seconds = time instanceof Date ? time.getTime() / 1_000 : time;
  const record = { ...(seconds === undefined ? stamp : { time: seconds }), ...measured };
  try {
    const [checked = record] = checkBody(readings, { stream, records: [record] }).records;
    if (jsonBytes(checked) < mostBatchBytes) return checked;
  } catch (cause) {
    throw new DeviceError("argument-invalid", `${nameOf(cause)} (record ${index + 1})`, { cause });
  }
  throw new DeviceError("argument-invalid", `record ${index + 1} is larger than a message`);
}

function nameOf(cause: unknown): string {
  const why = cause instanceof DeviceError ? cause.why : "it";
  return why.replace("records.0.", "");
}
