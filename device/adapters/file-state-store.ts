import { DeviceError } from "../device-error.ts";
import type { StateStore } from "../ports.ts";
import { readDurable, writeDurable } from "./durable-file.ts";

/** The state document as a JSON file. */
export function fileStateStore(path: string): StateStore {
  return {
    async load() {
      const text = await readDurable(path);
      if (text === null) return null;
      try {
        return JSON.parse(text);
      } catch (cause) {
        throw new DeviceError("home-broken", `${path} is not JSON`, { cause });
      }
    },
    async save(document) {
      await writeDurable(path, `${JSON.stringify(document)}\n`);
    },
  };
}
