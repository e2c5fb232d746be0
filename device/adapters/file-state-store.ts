import { DeviceError } from "../device-error.ts";
import type { StateStore } from "../ports.ts";
import { readDurable, writeDurable } from "./durable-file.ts";

/**
 * The state document as a JSON file. What another process wrote since this one last read or wrote is never overwritten: `lockHome` keeps the
 * processes of one machine apart, and this finds out where it could not, as between machines that share a file system.
 * @throws DeviceError `home-changed` from `save`
 */
export function fileStateStore(path: string): StateStore {
  /** What the file held when this process last read or wrote it; undefined before that. */
  let known: string | null | undefined;
  return {
    async load() {
      known = await readDurable(path);
      if (known === null) return null;
      try {
        return JSON.parse(known);
      } catch (cause) {
        throw new DeviceError("home-broken", `${path} is not JSON`, { cause, path });
      }
    },
    async save(document) {
      if (known !== undefined && (await readDurable(path)) !== known) {
        throw new DeviceError("home-changed", path, { path });
      }
      const text = `${JSON.stringify(document)}\n`;
      await writeDurable(path, text);
      known = text;
    },
  };
}
