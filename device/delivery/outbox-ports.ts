import type { Settings } from "../options.ts";
import type { KeyStore, MessageTransport } from "../ports.ts";
import type { ServiceKeys } from "../trust/service-keys.ts";
import type { StateCell } from "../state/state-cell.ts";
import type { SettleRows } from "./settle-row.ts";

/** This start of the machine. */
export type Boot = { readonly id: string; readonly seconds: () => number };

/** What it takes to deliver a message. */
export type OutboxPorts = {
  readonly cell: StateCell;
  readonly keys: KeyStore;
  readonly messages: MessageTransport;
  readonly serviceKeys: ServiceKeys;
  readonly settings: Settings;
  readonly boot: Boot;
  /** What a successful reply changes here, by operation. */
  readonly settleRows: SettleRows;
};
