import type { PublishedEvent } from "@sealpost/protocol/operator/events.ts";

import type { Store } from "../store/port.ts";
import type { Most } from "./calls.ts";
import type { Parked } from "./parked.ts";

/** An event on its way: as text, and by what it is ordered. */
export type Outgoing = { readonly event: PublishedEvent; readonly text: string; readonly key: string };

/** What a target says of one event: that it has it, that it will never take it, or that it may later. */
export type Verdict = "taken" | "rejected" | "later";

/** Where events go. */
export type Target = {
  /** Of one call. */
  readonly most: Most;
  /** Whether it keeps an order, so that what comes later must be sent later. */
  readonly ordered: boolean;
  /**
   * One call.
   * @returns a verdict for each event
   * @throws what the call as a whole came to; nothing is known of any of the events
   */
  send(events: readonly Outgoing[]): Promise<readonly Verdict[]>;
};

/** Where what could not be published waits for somebody. */
export type Parking = {
  /** @throws Fault if not everything could be parked */
  park(parked: readonly Parked[]): Promise<void>;
  /** Some of what is parked, which nobody else gets meanwhile; empty: there is none. */
  take(): Promise<readonly Taken[]>;
  release(handles: readonly string[]): Promise<void>;
};
/** `parked` is undefined for what is not a parked event or record. */
export type Taken = { readonly handle: string; readonly parked: Parked | undefined };

export type PublisherPorts = {
  readonly target: Target;
  readonly parking: Parking;
  /** For replays of the journal. */
  readonly store: Pick<Store, "list">;
  /** Milliseconds, as of an epoch. */
  readonly now: () => number;
};
