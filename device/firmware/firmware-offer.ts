import type { FirmwareVersion } from "../ports.ts";

/** A verified offer that suits this device; `size` in bytes of the image. */
export type FirmwareOffer = FirmwareVersion & { readonly size: number };

/** What an update says of itself while it runs, in bytes of the image. */
export type UpdateProgress = { readonly done: number; readonly total: number };

/** What a start comes to: `nothing` is the usual one. */
export type BootVerdict = "installed" | "rolled-back" | "nothing";
