import { DeviceError } from "../device-error.ts";
import type { SpoolInput, WhenFull } from "../ports.ts";

export type SpoolOptions = {
  /** How much it holds; what is about to be sent counts too. Default: 16 MiB. */
  readonly mostBytes?: number;
};

export const defaultSpoolBytes = 16 * 1024 * 1024;

type Held = {
  readonly bytes: number;
  /** About to be sent, and not dropped any more. */
  readonly taken: boolean;
};

/**
 * Which entries go, the oldest first, so that new ones fit.
 * @param held oldest first
 * @throws DeviceError `spool-full`
 */
export function makeRoom<Entry extends Held>(
  held: readonly Entry[],
  neededBytes: number,
  { mostBytes, whenFull }: { readonly mostBytes: number; readonly whenFull: WhenFull },
): readonly Entry[] {
  if (neededBytes > mostBytes) {
    throw new DeviceError("spool-full", `${neededBytes} bytes do not fit into ${mostBytes}`);
  }
  let surplus = held.reduce((sum, { bytes }) => sum + bytes, neededBytes) - mostBytes;
  if (surplus > 0 && whenFull === "refuse") throw new DeviceError("spool-full", `it is bounded to ${mostBytes} bytes`);
  return held.filter(({ bytes, taken }) => {
    if (surplus <= 0 || taken) return false;
    surplus -= bytes;
    return true;
  });
}

export function bytesOf({ content }: Pick<SpoolInput, "content">): number {
  return new TextEncoder().encode(content).length;
}
