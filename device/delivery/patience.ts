import { DeviceError, type Setback } from "../device-error.ts";
import type { Settings, VerbOptions } from "../options.ts";

/** Even a caller without any patience gives the first try this long. */
const leastSeconds = 1;

/**
 * How long one verb waits. Each try has a deadline, pauses grow exponentially with full jitter, and all of it ends when the caller's word or a
 * signal says so. Progress begins it anew.
 */
export class Patience {
  readonly #settings: Settings;
  readonly #maxWaitSeconds: number;
  readonly #signals: readonly AbortSignal[];
  #since: number;
  #failures = 0;

  constructor(settings: Settings, { signal, maxWaitSeconds = settings.maxWaitSeconds }: VerbOptions = {}) {
    this.#settings = settings;
    this.#maxWaitSeconds = maxWaitSeconds;
    this.#signals = [settings.signal, signal].filter((given) => given !== undefined);
    this.#since = settings.timing.monotonic();
  }

  /** Something went forward: the next pause is short again, and the whole wait is there again. */
  renew(): void {
    this.#failures = 0;
    this.#since = this.#settings.timing.monotonic();
  }

  /**
   * One try. Its time is `seconds`, but no more than patience leaves for it and for the tries that are to follow it in the same round. Then its
   * signal aborts; a port that does not look at the signal is not waited for either.
   * @param what whom it waits for, as an error names it
   * @throws DeviceError `unreachable` when the time is over; `aborted`; what the work throws
   */
  async within<T>(
    what: string,
    { seconds, tries = 1 }: { readonly seconds: number; readonly tries?: number },
    work: (signal: AbortSignal) => Promise<T>,
    abort = new AbortController(),
  ): Promise<T> {
    const left = this.#since + Math.max(this.#maxWaitSeconds, leastSeconds) - this.#settings.timing.monotonic();
    const allowed = Math.max(0, Math.min(seconds, left, Math.max(leastSeconds, left / tries)));
    const late = () => new DeviceError("unreachable", `${what}, no answer within ${Math.round(allowed * 10) / 10} s`);
    return this.#race(allowed, late, work, abort);
  }

  /** Waits for what another verb does. */
  async wait(work: Promise<unknown>): Promise<void> {
    const left = this.#since + this.#maxWaitSeconds - this.#settings.timing.monotonic();
    const late = () => new DeviceError("no-answer", "another verb is still at work");
    await this.#race(Math.max(0, left), late, () => work, new AbortController());
  }

  /**
   * The pause after a round of tries; each is longer than the one before.
   * @throws DeviceError `no-answer` when patience would end before the next try; `aborted`
   */
  async pause(setback: Setback): Promise<void> {
    const { firstSeconds, mostSeconds } = this.#settings;
    const ceiling = Math.min(mostSeconds, firstSeconds * 2 ** this.#failures);
    this.#failures += 1;
    await this.#sleep(ceiling, setback);
  }

  /** The pause between two addresses of one round: it spares the link, and does not grow. */
  async pauseBriefly(setback: Setback): Promise<void> {
    await this.#sleep(this.#settings.firstSeconds, setback);
  }

  async #sleep(ceilingSeconds: number, { why, circumstance, cause }: Setback): Promise<void> {
    const { timing, onRetry } = this.#settings;
    const seconds = ceilingSeconds * timing.random();
    if (timing.monotonic() + seconds >= this.#since + this.#maxWaitSeconds) {
      throw new DeviceError("no-answer", why, { circumstance, cause });
    }
    onRetry({ seconds, why });
    const never = () => new DeviceError("no-answer", why);
    await this.#race(Infinity, never, (signal) => timing.sleep(seconds, { signal }), new AbortController());
  }

  async #race<T>(
    seconds: number,
    late: () => DeviceError,
    work: (signal: AbortSignal) => Promise<T>,
    abort: AbortController,
  ): Promise<T> {
    let stop: (error: DeviceError) => void = () => {};
    const stopped = new Promise<never>((_resolve, reject) => {
      stop = (error) => {
        reject(error);
        abort.abort(error);
      };
    });
    const aborted = () => stop(abortedError(this.#signals));
    const timer = seconds < longestTimerSeconds ? setTimeout(() => stop(late()), seconds * 1000) : undefined;
    for (const signal of this.#signals) signal.addEventListener("abort", aborted);
    try {
      if (this.#signals.some((signal) => signal.aborted)) throw abortedError(this.#signals);
      return await Promise.race([work(abort.signal), stopped]);
    } finally {
      clearTimeout(timer);
      for (const signal of this.#signals) signal.removeEventListener("abort", aborted);
    }
  }
}

/** Timers count milliseconds in 31 bits. */
const longestTimerSeconds = 2_147_483;

function abortedError(signals: readonly AbortSignal[]): DeviceError {
  return new DeviceError("aborted", "", { cause: signals.find(({ aborted }) => aborted)?.reason });
}
