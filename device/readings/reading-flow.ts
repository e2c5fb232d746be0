import { type ReadingRecord, readings, readingsBodySchema } from "@sealpost/protocol/exchanges/readings.ts";

import type { Outbox } from "../delivery/outbox.ts";
import type { OutboxPorts } from "../delivery/outbox-ports.ts";
import { type Outcome, requireDone } from "../delivery/outcome.ts";
import type { Patience } from "../delivery/patience.ts";
import { WaitingLine } from "../delivery/waiting-line.ts";
import { DeviceError } from "../device-error.ts";
import type { ReadingSpool, SpoolEntry } from "../ports.ts";
import { oldestBatch, parseContent } from "./batch.ts";
import type { Flushed } from "./reading.ts";
import { withTime } from "./stamp.ts";

/**
 * Readings from the spool to the service, oldest first, one message at a time. An entry leaves the spool after the one write that queues its
 * records and names it: wherever the power fails, it is sent, and not twice.
 */
export class ReadingFlow {
  readonly #ports: Pick<OutboxPorts, "cell">;
  readonly #outbox: Outbox;
  readonly #spool: ReadingSpool;
  readonly #line = new WaitingLine();
  /** What was removed from the spool already, of what the state names. */
  #removed: readonly string[] = [];

  constructor(ports: Pick<OutboxPorts, "cell">, outbox: Outbox, spool: ReadingSpool) {
    this.#ports = ports;
    this.#outbox = outbox;
    this.#spool = spool;
  }

  /**
   * Sends until the spool is empty.
   * @param between awaited before each message: what must not wait behind a backlog; after `false` nothing more is sent
   * @throws DeviceError `not-registered` · `refused`, and then nothing is lost; `no-answer` · `aborted` · `revoked` · `gone` · `leaving`
   */
  async flush(patience: Patience, between: () => Promise<boolean | void>): Promise<Flushed> {
    return this.#line.take(patience, async () => {
      const sum = { sent: 0, refused: 0, unknown: 0 };
      for (;;) {
        if ((await between()) === false) return sum;
        const next = await this.#next();
        if (!next) return sum;
        const outcome = await this.#outbox.deliver(next.seq, patience);
        if (this.#ports.cell.enrolled.readings.held) requireDone(outcome);
        sum[memberOf(outcome)] += next.records;
      }
    });
  }

  /**
   * For a device that sends no more: what is on its way is out of the spool, so all that the spool still lists stays unsent.
   * @returns how many records are held besides, since the service did not take them yet
   */
  async close(): Promise<number> {
    await this.#removeTaken();
    return countOf(this.#ports.cell.enrolled.readings.held ?? {});
  }

  /** The message that is to be delivered next: at most one of readings is pending at any time. */
  async #next(): Promise<{ readonly seq: number; readonly records: number } | null> {
    const { queue, readings: state } = this.#ports.cell.enrolled;
    const pending = queue.pending.find(({ operation }) => operation === readings.operation);
    if (pending) return { seq: pending.seq, records: countOf(pending.body) };
    const held = readingsBodySchema.safeParse(state.held);
    if (held.success) {
      const seq = await this.#outbox.enqueue(readings, held.data, (before) => ({
        ...before,
        readings: { ...before.readings, held: null },
      }));
      return { seq, records: held.data.records.length };
    }
    await this.#removeTaken();
    return this.#takeOldest();
  }

  async #takeOldest(): Promise<{ readonly seq: number; readonly records: number } | null> {
    for (;;) {
      const batch = oldestBatch(await this.#spool.list());
      const [first] = batch;
      if (!first) return null;
      const records = await this.#read(batch);
      if (records.length === 0) continue;
      const ids = batch.map(({ id }) => id);
      const seq = await this.#outbox.enqueue(readings, { stream: first.stream, records }, (before) => ({
        ...before,
        readings: { ...before.readings, taken: ids },
      }));
      await this.#removeTaken();
      return { seq, records: records.length };
    }
  }

  async #removeTaken(): Promise<void> {
    const { taken } = this.#ports.cell.enrolled.readings;
    if (taken === this.#removed) return;
    await this.#spool.remove(taken);
    this.#removed = taken;
  }

  /** What nobody can read stops nobody. */
  async #read(batch: readonly SpoolEntry[]): Promise<ReadingRecord[]> {
    const { bootTime } = this.#ports.cell.enrolled;
    const contents = await this.#spool.take(batch.map(({ id }) => id));
    const parsed = batch.map(({ id, stream }, index) => {
      const content = contents[index] ?? null;
      const records = content === null ? [] : parseContent(content);
      const isWhole = content === null || readingsBodySchema.safeParse({ stream, records }).success;
      return { id, records: isWhole ? records : null };
    });
    await this.#spool.discard(parsed.filter(({ records }) => records === null).map(({ id }) => id));
    return parsed.flatMap(({ records }) => records ?? []).map((record) => withTime(record, bootTime));
  }
}

function countOf({ records }: { readonly [member: string]: unknown }): number {
  return Array.isArray(records) ? records.length : 0;
}

/** @throws DeviceError when nothing more is to be sent */
function memberOf(outcome: Outcome): keyof Flushed {
  if (outcome.kind === "refused") return outcome.code === "reply-too-large" ? "sent" : "refused";
  if (outcome.kind === "unknown" && outcome.why === "below-window") return "unknown";
  if (outcome.kind === "unusable") return "sent";
  requireDone(outcome);
  return "sent";
}

/** @throws DeviceError `argument-invalid` for a device that was opened without one */
export function requireSpool(spool: ReadingSpool | undefined): ReadingSpool {
  if (spool) return spool;
  throw new DeviceError("argument-invalid", "this device was opened without the port `readings`");
}
