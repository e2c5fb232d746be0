export type WakeReason = "poll" | "readings" | "stop";

/** What the loop waits with: time, or a reason not to wait. */
export class Waker {
  readonly #reasons = new Set<WakeReason>();
  readonly #sleepers = new Set<() => void>();

  wake(reason: WakeReason): void {
    this.#reasons.add(reason);
    for (const look of this.#sleepers) look();
  }

  get stopped(): boolean {
    return this.#reasons.has("stop");
  }

  /** @returns whether it was woken for that reason since this was last asked */
  take(reason: Exclude<WakeReason, "stop">): boolean {
    return this.#reasons.delete(reason);
  }

  /** Ends after so long, and at once for one of these reasons, also one that came before. */
  async sleep(seconds: number, reasons: readonly WakeReason[]): Promise<void> {
    const isWoken = () => reasons.some((reason) => this.#reasons.has(reason));
    if (isWoken()) return;
    await new Promise<void>((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#sleepers.delete(look);
        resolve();
      };
      const look = () => {
        if (isWoken()) end();
      };
      const timer = setTimeout(end, Math.max(0, seconds) * 1000);
      this.#sleepers.add(look);
    });
  }
}
