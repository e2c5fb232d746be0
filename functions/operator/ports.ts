import type { Store } from "../store/port.ts";

/** What the operator routes reach outside themselves. */
export type OperatorPorts = {
  readonly serviceId: string;
  /** The key generation that this function works under (delivery rule 14). */
  readonly generation: number;
  readonly store: Store;
  /** Unix seconds, with their fraction. */
  now(): number;
  /** A fresh UUID. */
  newId(): string;
};
