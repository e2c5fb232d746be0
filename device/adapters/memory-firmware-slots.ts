import type { FirmwareSlots, FirmwareVersion } from "../ports.ts";

export type MemoryFirmwareSlots = FirmwareSlots & {
  /** Plays the restart: the bootloader tries what is next, or goes back from what was never confirmed. */
  boot(): void;
  /** The new firmware does not come up: the bootloader is back where it was. */
  bootAndFail(): void;
};

/** For tests and simulations: two slots that end with the process. */
export function memoryFirmwareSlots(running: FirmwareVersion): MemoryFirmwareSlots {
  let active = running;
  let previous: FirmwareVersion | null = null;
  let next: FirmwareVersion | null = null;
  let image = new Uint8Array();
  return {
    async status() {
      return { running: active, trial: previous !== null, next };
    },
    async read(offset, length) {
      return image.slice(offset, offset + length);
    },
    async write(offset, bytes) {
      if (offset > image.length) throw new RangeError("a slot is written from the start, without gaps");
      next = null;
      const grown = new Uint8Array(offset + bytes.length);
      grown.set(image.subarray(0, offset));
      grown.set(bytes, offset);
      image = grown;
    },
    async sha256(size) {
      return new Uint8Array(await crypto.subtle.digest("SHA-256", image.slice(0, size)));
    },
    async markBootable(firmware) {
      next = firmware;
    },
    async confirm() {
      previous = null;
    },
    boot() {
      if (next) [previous, active, next] = [active, next, null];
      else if (previous) [active, previous] = [previous, null];
    },
    bootAndFail() {
      next = null;
    },
  };
}
