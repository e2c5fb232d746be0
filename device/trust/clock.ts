import type { Timing } from "../ports.ts";

/** Bounds of the newest accepted key set, Unix seconds. */
export type Validity = { readonly iat: number; readonly exp: number };

/**
 * The device's idea of the time, without a clock of its own: `iat` of the newest accepted key set plus monotonic time, corrected by authentic
 * replies only within that set's validity, backwards too. It steers what a request claims and which key is in use, never what is believed.
 */
export class Clock {
  readonly #timing: Timing;
  #validity: Validity;
  #time: number;
  #since: number;
  #isTold = false;

  /** @param last what this clock said before the device restarted */
  constructor(timing: Timing, validity: Validity, last: number) {
    this.#timing = timing;
    this.#validity = validity;
    this.#time = clamp(last, validity);
    this.#since = timing.monotonic();
  }

  /** Unix seconds, whole. */
  now(): number {
    return Math.floor(this.#time + Math.max(0, this.#timing.monotonic() - this.#since));
  }

  /** Whether an authentic reply said the time since this clock began, and nothing spoke against it. */
  get isTold(): boolean {
    return this.#isTold;
  }

  /** A newer key set was accepted: its `iat` is the time, unless the present estimate fits it too. */
  accept(validity: Validity): void {
    const now = this.now();
    this.#validity = validity;
    const fits = now >= validity.iat && now <= validity.exp;
    this.#isTold &&= fits;
    this.#set(fits ? now : validity.iat);
  }

  /** An authentic reply says what time it is. */
  correct(time: number): void {
    const believed = clamp(time, this.#validity);
    this.#isTold = believed === time;
    this.#set(believed);
  }

  #set(time: number): void {
    this.#time = time;
    this.#since = this.#timing.monotonic();
  }
}

function clamp(time: number, { iat, exp }: Validity): number {
  return Math.min(Math.max(time, iat), exp);
}
