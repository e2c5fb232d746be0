import { generateDeviceKeys } from "../keys/device-keys.ts";
import type { CommandMarker, DeviceKeys, KeySlot, KeyStore } from "../ports.ts";

/** For tests and simulations: keys that end with the process and cannot be exported. */
export function memoryKeyStore(): KeyStore {
  const slots = new Map<KeySlot, DeviceKeys>();
  let marker: CommandMarker | null = null;
  return {
    async load(slot) {
      return slots.get(slot) ?? null;
    },
    async create(slot) {
      const keys = slots.get(slot) ?? (await generateDeviceKeys(false));
      slots.set(slot, keys);
      return keys;
    },
    async promote() {
      const next = slots.get("next");
      if (next) slots.set("current", next);
      slots.delete("next");
    },
    async readMarker() {
      return marker;
    },
    async writeMarker(written) {
      marker = written;
    },
    async erase() {
      slots.clear();
      marker = null;
    },
  };
}
