import { type ReadingRecord, jsonBytes, readings, streamSchema } from "@sealpost/protocol/exchanges/readings.ts";

import type { Boot } from "../delivery/outbox-ports.ts";
import { checkBody } from "../delivery/outbox.ts";
import { DeviceError } from "../device-error.ts";
import type { ReadingSpool, WhenFull } from "../ports.ts";
import type { BootTime } from "../state/state.ts";
import { mostBatchBytes, toEntries } from "./batch.ts";
import { stampNow } from "./stamp.ts";

/**
 * One measurement, in the model of SenML (RFC 8428): at least one of `value` (v, vs, vb), `sum` (s) and `data` (any JSON object beside it), with
 * `name` (n) and `unit` (u).
 */
export type Reading = Omit<ReadingRecord, "time" | "uptime" | "bootId"> & {
  /** When it was measured: a Date, or Unix seconds. Without it, when it was handed in, as far as the device knows. */
  readonly time?: Date | number;
};

export type SendOptions = {
  /** What happens when there is no room: the oldest readings go (the default), or these are refused. */
  readonly whenFull?: WhenFull;
};

/** What became of readings that were handed in. */
export type Sent = {
  /** Records that are stored now, durably. */
  readonly stored: number;
  /** Older records that were dropped to make room. */
  readonly dropped: number;
};

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
