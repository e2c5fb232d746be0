import { type KeySet, openKeySet } from "@sealpost/protocol/documents/key-set.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import { parseJson } from "@sealpost/protocol/token/strict.ts";
import { TokenError } from "@sealpost/protocol/token/token-error.ts";
import { type CatchUp, catchUpSchema, followTrust } from "@sealpost/protocol/documents/trust.ts";

import { remember } from "./addresses.ts";
import { Clock } from "./clock.ts";
import { DeviceError, isDeviceError } from "../device-error.ts";
import type { Timing } from "../ports.ts";
import type { Enrolled } from "../state/state.ts";
import type { StateCell } from "../state/state-cell.ts";

/** What an authentic reply says of the newest documents; 0 where the service cannot say. */
export type DocumentVersions = { readonly trustVersion: number; readonly keySetVersion: number };

/** The newest verified key set, the clock that hangs on it, and the way to newer ones. Only what verifies from the pinned roots moves it, and only forward. */
export class ServiceKeys {
  readonly clock: Clock;
  readonly #cell: StateCell;
  #keySet: KeySet;

  private constructor(cell: StateCell, keySet: KeySet, clock: Clock) {
    this.#cell = cell;
    this.#keySet = keySet;
    this.clock = clock;
  }

  /** @throws DeviceError `home-broken` when the stored key set does not verify under the stored trust document */
  static async open(cell: StateCell, timing: Timing): Promise<ServiceKeys> {
    const { keySet: token, trust, serviceId, time } = cell.enrolled;
    try {
      const keySet = await openKeySet(token, { serviceId, keySetKeys: trust.keySetKeys });
      return new ServiceKeys(cell, keySet, new Clock(timing, keySet, time));
    } catch (cause) {
      throw new DeviceError("home-broken", "the stored key set does not verify", { cause });
    }
  }

  get keySet(): KeySet {
    return this.#keySet;
  }

  /**
   * Verifies what a relay or a cache hands us and adopts it if it is newer.
   * @returns whether anything changed; what does not verify changes nothing
   */
  async adopt(catchUp: CatchUp): Promise<boolean> {
    const { serviceId, roots, trust: believed } = this.#cell.enrolled;
    try {
      const trust = await followTrust(catchUp.trust, roots, believed);
      const keySet = await openKeySet(catchUp.keySet, { serviceId, keySetKeys: trust.keySetKeys });
      if (keySet.version < this.#keySet.version) return false;
      if (keySet.version === this.#keySet.version && trust.version === believed.version) return false;
      await this.#cell.change((state): Enrolled => ({
        ...state,
        trust,
        addresses: remember(state.addresses, trust.messageUrls),
        keySet: keySet.token,
      }));
      if (keySet.version > this.#keySet.version) this.clock.accept(keySet);
      this.#keySet = keySet;
      return true;
    } catch (error) {
      if (error instanceof TokenError) return false;
      throw error;
    }
  }

  /** Whether its trust documents do not hang on a root that this device pins. Good for advice alone: any relay can invent one. */
  async isForeign({ trust }: CatchUp): Promise<boolean> {
    try {
      await followTrust(trust, this.#cell.enrolled.roots);
      return false;
    } catch (error) {
      if (error instanceof TokenError) return error.code === "unknown-key";
      throw error;
    }
  }

  /**
   * An authentic reply named the newest documents. Whoever is behind asks the bases in turn until it has them, at most once an hour: somebody may
   * hold them back, or serve old ones for a while.
   */
  async catchUp(
    versions: DocumentVersions,
    bases: readonly string[],
    read: (url: string) => Promise<Uint8Array>,
  ): Promise<void> {
    const now = this.clock.now();
    const { askedAt } = this.#cell.enrolled;
    if (this.#has(versions) || (askedAt !== null && Math.abs(now - askedAt) < limits.catchUpSeconds)) return;
    await this.#cell.change((state): Enrolled => ({ ...state, askedAt: now }));
    for (const base of bases) {
      await this.fetch(base, read);
      if (this.#has(versions)) return;
    }
  }

  #has({ trustVersion, keySetVersion }: DocumentVersions): boolean {
    return this.#cell.enrolled.trust.version >= trustVersion && this.#keySet.version >= keySetVersion;
  }

  /**
   * The same at several bases, one after another, until one has anything newer.
   * @returns whether one had
   */
  async fetchFrom(bases: readonly string[], read: (url: string) => Promise<Uint8Array>): Promise<boolean> {
    for (const base of bases) {
      if (await this.fetch(base, read)) return true;
    }
    return false;
  }

  /**
   * `GET <base>/keys`. An old key set prompts this, never a stop, so failure is an answer.
   * @param read gets a small object whole, or rejects with a `DeviceError`
   * @returns whether anything newer was adopted
   */
  async fetch(base: string, read: (url: string) => Promise<Uint8Array>): Promise<boolean> {
    let body: Uint8Array;
    try {
      body = await read(`${base}/keys`);
    } catch (error) {
      if (isDeviceError(error) && error.code !== "aborted") return false;
      throw error;
    }
    const catchUp = parseCatchUp(body);
    return catchUp ? this.adopt(catchUp) : false;
  }
}

/** @returns null for anything that does not look like one; nothing in it is verified yet */
export function parseCatchUp(bytes: Uint8Array): CatchUp | null {
  try {
    const parsed = catchUpSchema.safeParse(parseJson(bytes, "catch-up"));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
