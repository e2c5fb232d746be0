import * as z from "zod/mini";

import { isDeviceError } from "../device-error.ts";
import type { StateStore } from "../ports.ts";
import type { Act } from "./acts.ts";

const actSchema = z.object({
  /** Unix seconds, as the device estimates them; null before it knows. */
  time: z.nullable(z.number()),
  act: z.string(),
  outcome: z.string(),
  detail: z.optional(z.record(z.string(), z.union([z.string(), z.number()]))),
});

const processSchema = z.object({
  pid: z.int().check(z.positive()),
  boot: z.nullable(z.string()),
  namespace: z.nullable(z.string()),
  started: z.nullable(z.string()),
});

const recordSchema = z.object({
  format: z.literal(1),
  /** The start of the machine in which this was written, and from which the uptimes below count. */
  bootId: z.string(),
  /** Uptime of the next round. */
  due: z.number(),
  /** Rounds that went well since that start. */
  rounds: z.int(),
  /** Rounds that failed in a row. */
  failures: z.int(),
  /** Firmware on trial: since which uptime, and whether it was found bad. */
  trial: z.nullable(z.object({ counter: z.int(), since: z.number(), bad: z.boolean() })),
  /** What the boot loader did, while the slots are told: which firmware ran for them before, and whether what was to be tried came up. */
  settling: z.nullable(z.object({ from: z.int(), comesUp: z.boolean() })),
  /** The end of an update that the hook `after-update` is still to be told. */
  untold: z.nullable(z.object({ counter: z.int(), version: z.string(), outcome: z.string() })),
  /** The process group of an executable under way. */
  process: z.nullable(processSchema),
  /** Unix seconds before which no renewal is tried again. */
  renewAfter: z.number(),
  acts: z.array(actSchema),
});
export type AgentRecord = z.infer<typeof recordSchema>;
export type RecordedAct = z.infer<typeof actSchema>;

const keptActs = 20;

/** @returns null for what is none: nothing depends on it but when things are done, so it is begun anew */
export function parseAgentRecord(document: unknown): AgentRecord | null {
  const parsed = recordSchema.safeParse(document);
  return parsed.success ? parsed.data : null;
}

/** What the agent remembers over restarts, written whole and durably. */
export class RecordKeeper {
  readonly #store: StateStore;
  #record: AgentRecord;

  private constructor(store: StateStore, record: AgentRecord) {
    this.#store = store;
    this.#record = record;
  }

  /** @param due the first round of a home that has no record */
  static async open(store: StateStore, bootId: string, due: number): Promise<RecordKeeper> {
    const fresh: AgentRecord = {
      format: 1,
      bootId,
      due,
      rounds: 0,
      failures: 0,
      trial: null,
      settling: null,
      untold: null,
      process: null,
      renewAfter: 0,
      acts: [],
    };
    return new RecordKeeper(store, parseAgentRecord(await store.load().catch(() => null)) ?? fresh);
  }

  get record(): AgentRecord {
    return this.#record;
  }

  async change(change: Partial<AgentRecord>): Promise<void> {
    this.#record = { ...this.#record, ...change };
    await this.#store.save(this.#record);
  }

  /** For what only says when things are done: a full disk is no reason to end, and the next change keeps it. */
  async changeIfRoom(change: Partial<AgentRecord>): Promise<void> {
    await this.change(change).catch((error: unknown) => {
      if (!isDeviceError(error) || error.code !== "no-space") throw error;
    });
  }

  /** Kept with the next change: no act is worth a write of its own. */
  note({ act, outcome, detail = {} }: Act, time: number | null): void {
    const known = Object.entries(detail).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value] as const],
    );
    const noted = { time, act, outcome, ...(known.length > 0 && { detail: Object.fromEntries(known) }) };
    this.#record = { ...this.#record, acts: [...this.#record.acts, noted].slice(-keptActs) };
  }
}
