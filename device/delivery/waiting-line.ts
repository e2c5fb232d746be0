import type { Patience } from "./patience.ts";

/** Verbs that must not overlap go one after another, each with its own patience: one that gives up leaves the line to the next. */
export class WaitingLine {
  #last: Promise<unknown> = Promise.resolve();

  /** @throws DeviceError `no-answer` when patience ends before it is this one's turn; `aborted`; what the work throws */
  async take<T>(patience: Patience, work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    let done: () => void = () => {};
    const mine = new Promise<void>((resolve) => {
      done = resolve;
    });
    this.#last = before.then(() => mine);
    try {
      await patience.wait(before);
      return await work();
    } finally {
      done();
    }
  }
}
