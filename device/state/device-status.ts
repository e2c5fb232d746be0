import type { FirmwareVersion } from "../ports.ts";

/** A message whose fate nobody knows any more. */
export type UnknownFate = {
  readonly seq: number;
  readonly operation: string;
  readonly why: "below-window" | "revoked" | "gone";
};

/** Times are Unix seconds as the device estimates them. */
export type DeviceStatus = {
  /** `provisioned`: certified, not registered. `revoked` and `gone`: the service's final word. */
  readonly phase: "new" | "bootstrapping" | "provisioned" | "registered" | "revoked" | "gone" | "deregistered";
  readonly serviceId?: string;
  readonly deviceId?: string;
  readonly model?: string;
  readonly hardware?: string;
  readonly firmware?: FirmwareVersion;
  readonly capabilities?: readonly string[];
  readonly pollSeconds?: number;
  readonly update?: FirmwareVersion & { readonly stage: string; readonly size: number };
  /** Counters of releases, newer than what runs, that failed here or were rolled back: taken again on request alone. */
  readonly givenUp?: readonly number[];
  readonly pending?: readonly { readonly seq: number; readonly operation: string }[];
  readonly unknown?: readonly UnknownFate[];
  readonly commands?: {
    /** Number of the last one that was settled. */
    readonly handled: number;
    readonly hand: { readonly n: number; readonly commandId: string; readonly name: string } | null;
    /** The last reply said that some command has no end yet. */
    readonly waiting: boolean;
  };
  readonly signingKey?: string;
  /** When its certificate was made, Unix seconds. */
  readonly certified?: number;
  readonly trustVersion?: number;
  readonly keySet?: { readonly version: number; readonly exp: number };
  readonly time?: number;
  readonly receipt?: string;
};
