import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { rm } from "node:fs/promises";
import { join } from "node:path";

import * as z from "zod/mini";

import { DeviceError } from "../device-error.ts";
import type { FirmwareSlots, FirmwareVersion } from "../ports.ts";
import {
  changeOnly,
  createOnly,
  errorCode,
  fileFault,
  makeFolder,
  readDurable,
  readOnly,
  withFile,
  writeDurable,
} from "./durable-file.ts";

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
  /** The file of the inactive slot. */
  imagePath(): Promise<string>;
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
  const inactive = ({ active }: SlotsFile) => join(folder, active === "a" ? "b.bin" : "a.bin");

  return {
    async status() {
      const { running, previous, next } = await load();
      return { running, trial: previous !== null, next };
    },
    async read(offset, length) {
      return readPart(inactive(await load()), offset, length);
    },
    async write(offset, bytes) {
      const slots = await load();
      if (slots.next) await save({ ...slots, next: null });
      await writePart(inactive(slots), offset, bytes);
    },
    async sha256(size) {
      return digestOf(inactive(await load()), size);
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
    async imagePath() {
      return inactive(await load());
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
    throw new DeviceError("slots-broken", path, { cause, path });
  }
}

async function readPart(path: string, offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await withFile(path, readOnly, async (image) => {
      const part = new Uint8Array(length);
      return part.subarray(0, await readUntilFull(image, offset, part));
    });
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return new Uint8Array();
    throw fileFault(path, cause);
  }
}

/**
 * A call may read less than was asked for, and ends the file only with nothing.
 * @returns how many bytes there were
 */
async function readUntilFull(image: FileHandle, offset: number, part: Uint8Array): Promise<number> {
  let filled = 0;
  while (filled < part.length) {
    const { bytesRead } = await image.read(part, filled, part.length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

/**
 * The first write makes the file anew: what stood there, and whatever it was linked to, is not written through. An image that does not fit goes
 * as a whole, so that there is space to write down and report that.
 */
async function writePart(path: string, offset: number, bytes: Uint8Array): Promise<void> {
  try {
    await makeFolder(join(path, ".."));
    if (offset === 0) await rm(path, { force: true });
    await withFile(path, offset === 0 ? createOnly : changeOnly, async (image) => {
      await writeUntilDone(image, offset, bytes);
      await image.sync();
    });
  } catch (cause) {
    const fault = fileFault(path, cause);
    if (fault.code === "no-space") await rm(path, { force: true });
    throw fault;
  }
}

/** A call may write less than it was given; a full disk says so only at the next one. */
async function writeUntilDone(image: FileHandle, offset: number, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await image.write(bytes, written, bytes.length - written, offset + written);
    written += bytesWritten;
  }
}

/** Pieces of 64 KiB would cost more to read than to hash. */
const hashedAtOnce = 1 << 20;

async function digestOf(path: string, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const hash = createHash("sha256");
  try {
    await withFile(path, readOnly, async (image) => {
      const part = new Uint8Array(Math.min(hashedAtOnce, size));
      for (let done = 0; done < size;) {
        const length = await readUntilFull(image, done, part.subarray(0, size - done));
        if (length === 0) return;
        hash.update(part.subarray(0, length));
        done += length;
      }
    });
  } catch (cause) {
    throw fileFault(path, cause);
  }
  return new Uint8Array(hash.digest());
}
