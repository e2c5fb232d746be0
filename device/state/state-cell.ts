import { DeviceError } from "../device-error.ts";
import type { StateStore } from "../ports.ts";
import { type DeviceState, type Enrolled, parseState } from "./state.ts";

/**
 * The state document in memory, never ahead of the durable one. Changes are pure functions, applied one after another; each is one atomic write.
 */
export class StateCell {
  readonly #store: StateStore;
  #state: DeviceState | null;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(store: StateStore, state: DeviceState | null) {
    this.#store = store;
    this.#state = state;
  }

  /** @throws DeviceError `home-broken` */
  static async load(store: StateStore): Promise<StateCell> {
    return new StateCell(store, parseState(await store.load()));
  }

  get state(): DeviceState | null {
    return this.#state;
  }

  /** @throws DeviceError `not-bootstrapped` · `deregistered` */
  get enrolled(): Enrolled {
    return enrolledOf(this.#state);
  }

  async replace(state: DeviceState): Promise<void> {
    await this.#enqueue(() => state);
  }

  /** The change sees the newest state. It may throw, and then nothing happened. Unchanged (`===`) state is not written. */
  async change(change: (state: Enrolled) => DeviceState): Promise<void> {
    await this.#enqueue(() => change(enrolledOf(this.#state)));
  }

  async #enqueue(compute: () => DeviceState): Promise<void> {
    const turn = this.#last.then(async () => {
      const state = compute();
      if (state === this.#state) return;
      await this.#store.save(state);
      this.#state = state;
    });
    this.#last = turn.catch(() => {});
    await turn;
  }
}

function enrolledOf(state: DeviceState | null): Enrolled {
  if (state?.phase === "enrolled") return state;
  if (state?.phase === "deregistered") throw new DeviceError("deregistered", `it was ${state.deviceId}`);
  throw new DeviceError("not-bootstrapped", state ? "the bootstrap was interrupted before its answer arrived" : "");
}
