import { DeviceError, type Setback } from "../device-error.ts";
import type { Settings } from "../options.ts";

/** Exponential back-off with full jitter, bounded by the caller's patience. One for each verb. */
export class BackOff {
  readonly #settings: Settings;
  readonly #deadline: number;
  #failures = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#deadline = settings.timing.monotonic() + settings.maxWaitSeconds;
  }

  /** Something went well: the next pause is short again. */
  reset(): void {
    this.#failures = 0;
  }

  /** @throws DeviceError `no-answer` when the caller's patience would end before the next try */
  async pause({ why, circumstance }: Setback): Promise<void> {
    const { timing, firstSeconds, mostSeconds, onRetry } = this.#settings;
    const ceiling = Math.min(mostSeconds, firstSeconds * 2 ** this.#failures);
    const seconds = ceiling * timing.random();
    this.#failures += 1;
    if (timing.monotonic() + seconds >= this.#deadline) throw new DeviceError("no-answer", why, { circumstance });
    onRetry({ seconds, why });
    await timing.sleep(seconds);
  }
}
