import { engine } from "@sealpost/protocol/content/engine.ts";

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
  let memory = new Uint8Array();
  let size = 0;
  return {
    async status() {
      return { running: active, trial: previous !== null, next };
    },
    async read(offset, length) {
      return memory.slice(offset, Math.min(offset + length, size));
    },
    async write(offset, bytes) {
      if (offset > size) throw new RangeError("a slot is written from the start, without gaps");
      next = null;
      size = offset + bytes.length;
      if (size > memory.length) {
        const grown = new Uint8Array(2 * size);
        grown.set(memory.subarray(0, offset));
        memory = grown;
      }
      memory.set(bytes, offset);
    },
    async sha256(length) {
      return engine.sha256(memory.subarray(0, Math.min(length, size)));
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
