import type { WhenFull } from "../ports.ts";

/**
 * One measurement, in the model of SenML (RFC 8428): at least one of `value` (v, vs, vb), `sum` (s) and `data` (any JSON object beside it), with
 * `name` (n) and `unit` (u).
 */
export type Reading = {
  /** When it was measured: a Date, or Unix seconds. Without it, when it was handed in, as far as the device knows. */
  readonly time?: Date | number;
  readonly name?: string | undefined;
  readonly unit?: string | undefined;
  readonly value?: number | string | boolean | undefined;
  readonly sum?: number | undefined;
  readonly data?: Record<string, unknown> | undefined;
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

/** What a flush came to, in records. */
export type Flushed = {
  readonly sent: number;
  /** The service refused them for good. */
  readonly refused: number;
  /** Whether they took effect nobody knows any more. */
  readonly unknown: number;
};
