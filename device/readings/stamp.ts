import type { ReadingRecord } from "@sealpost/protocol/exchanges/readings.ts";

import type { Boot } from "../delivery/outbox-ports.ts";
import type { BootTime } from "../state/state.ts";

type Stamp = Pick<ReadingRecord, "time"> | Pick<ReadingRecord, "uptime" | "bootId">;

/** When it is now, as far as this device knows: the service's time, or how long this machine has been up. */
export function stampNow(boot: Boot, known: BootTime | null): Stamp {
  const uptime = milliseconds(boot.seconds());
  return known?.bootId === boot.id ? { time: timeAt(uptime, known) } : { uptime, bootId: boot.id };
}

/** A record that was stamped before its device knew the time, and of the same start of the machine, gets it now. */
export function withTime(record: ReadingRecord, known: BootTime | null): ReadingRecord {
  const { uptime, bootId, ...rest } = record;
  if (uptime === undefined || !known || bootId !== known.bootId) return record;
  return { time: timeAt(uptime, known), ...rest };
}

function timeAt(uptime: number, known: BootTime): number {
  return Math.max(0, milliseconds(known.time + uptime - known.uptime));
}

function milliseconds(seconds: number): number {
  return Math.round(seconds * 1_000) / 1_000;
}
