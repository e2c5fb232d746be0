import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";

import * as z from "zod/mini";

import { DeviceError } from "../device-error.ts";
import type { FirmwareSlots, FirmwareVersion } from "../ports.ts";
import { denied, errorCode, makeFolder, readDurable, writeDurable } from "./durable-file.ts";

const version = z.object({ version: z.string(), counter: z.int() });
const slotsFileSchema = z.object({
  active: z.enum(["a", "b"]),
  running: version,
  /** Set while `running` is on trial. */
  previous: z.nullable(version),
  /** What the other slot holds, if the next boot shall try it. */
  next: z.nullable(version),
});
type SlotsFile = z.infer<typeof slotsFileSchema>;

export type FileFirmwareSlots = FirmwareSlots & {
  /** Says what runs, once at the factory, and again when it was flashed by other means. What is known already changes nothing. */
  install(running: FirmwareVersion): Promise<void>;
  /**
   * Plays the restart.
   * @param comesUp whether the firmware that is tried works; if not, the bootloader is back where it was
   */
  boot(comesUp: boolean): Promise<void>;
};

/** Two image files `a.bin` and `b.bin` in a folder, and `slots.json` as the bootloader's own memory. */
export function fileFirmwareSlots(folder: string): FileFirmwareSlots {
  const file = join(folder, "slots.json");
  const load = async (): Promise<SlotsFile> => {
    const text = await readDurable(file);
    if (text === null) throw new DeviceError("not-registered", "it is not known what firmware runs");
    return parseSlots(text, file);
  };
  const save = (slots: SlotsFile) => writeDurable(file, `${JSON.stringify(slots)}\n`);
  const inactive = async () => join(folder, (await load()).active === "a" ? "b.bin" : "a.bin");

  return {
    async status() {
      const { running, previous, next } = await load();
      return { running, trial: previous !== null, next };
    },
    async read(offset, length) {
      return readPart(await inactive(), offset, length);
    },
    async write(offset, bytes) {
      const slots = await load();
      if (slots.next) await save({ ...slots, next: null });
      await writePart(await inactive(), offset, bytes);
    },
    async sha256(size) {
      return digestOf(await inactive(), size);
    },
    async markBootable(next) {
      await save({ ...(await load()), next });
    },
    async confirm() {
      const slots = await load();
      if (slots.previous) await save({ ...slots, previous: null });
    },
    async install(running) {
      const text = await readDurable(file);
      const known = text === null ? null : parseSlots(text, file);
      if (known?.running.counter === running.counter && known.running.version === running.version) return;
      await save({ active: known?.active ?? "a", running, previous: null, next: null });
    },
    async boot(comesUp) {
      const { active, running, previous, next } = await load();
      const other = active === "a" ? "b" : "a";
      if (next && comesUp) await save({ active: other, running: next, previous: running, next: null });
      else if (next) await save({ active, running, previous, next: null });
      else if (previous) await save({ active: other, running: previous, previous: null, next: null });
    },
  };
}

function parseSlots(text: string, path: string): SlotsFile {
  try {
    return slotsFileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new DeviceError("slots-broken", `${path}`, { cause });
  }
}

async function readPart(path: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const part = new Uint8Array(length);
  try {
    const image = await open(path, "r");
    try {
      const { bytesRead } = await image.read(part, 0, length, offset);
      return part.slice(0, bytesRead);
    } finally {
      await image.close();
    }
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return new Uint8Array();
    throw denied(path, cause);
  }
}

async function writePart(path: string, offset: number, bytes: Uint8Array): Promise<void> {
  try {
    await makeFolder(join(path, ".."));
    const image = await open(path, offset === 0 ? "w" : "r+", 0o600);
    try {
      await image.write(bytes, 0, bytes.length, offset);
      await image.sync();
    } finally {
      await image.close();
    }
  } catch (cause) {
    throw denied(path, cause);
  }
}

async function digestOf(path: string, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const hash = createHash("sha256");
  try {
    // Node's usual 64 KiB cost more to read than to hash.
    const options = { end: size - 1, highWaterMark: 1_048_576 };
    if (size > 0) for await (const part of createReadStream(path, options)) hash.update(part);
  } catch (cause) {
    throw denied(path, cause);
  }
  return new Uint8Array(hash.digest());
}
