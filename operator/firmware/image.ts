import { type FileHandle, open } from "node:fs/promises";

import { contentBytes, countRecords } from "@sealpost/protocol/content/aes128gcm.ts";
import { limits } from "@sealpost/protocol/limits.ts";

import { OperatorFault } from "../fault.ts";

/** A firmware file and how it is cut. */
export type Image = {
  readonly path: string;
  readonly size: number;
  /** Plaintext bytes of each record but the last. */
  readonly recordBytes: number;
  readonly recordCount: number;
  /** Of the image encrypted by RFC 8188. */
  readonly encryptedBytes: number;
};

/** What devices with an operating system hold with ease; smaller records are for devices that cannot. */
export const usualRecordBytes = 65_536;

/**
 * @param recordBytes within the limits of the protocol
 * @throws OperatorFault
 */
export async function openImage(path: string, recordBytes: number = usualRecordBytes): Promise<Image> {
  const size = await withFile(path, async (file) => {
    const stat = await file.stat();
    if (!stat.isFile()) throw new OperatorFault("usage", `${path} is no file.`, "name the firmware image");
    return stat.size;
  });
  if (size === 0) throw new OperatorFault("usage", `${path} is empty.`, "name the firmware image");
  if (size > limits.firmware.imageBytes) {
    throw new OperatorFault(
      "usage",
      `${path} has ${size} bytes, and an image has at most ${limits.firmware.imageBytes}.`,
      "publish a smaller image",
    );
  }
  const recordCount = countRecords(size, recordBytes);
  return { path, size, recordBytes, recordCount, encryptedBytes: contentBytes(size, recordBytes) };
}

/**
 * The data of the records in order, each whole but the last. One buffer is used for all: data is gone when the next is asked for.
 * @throws OperatorFault if the file does not have the size it had
 */
export async function* readRecords({ path, size, recordBytes, recordCount }: Image): AsyncGenerator<Uint8Array> {
  const file = await openFile(path);
  try {
    const buffer = new Uint8Array(recordBytes);
    for (let index = 0; index < recordCount; index += 1) {
      const wanted = Math.min(recordBytes, size - index * recordBytes);
      let filled = 0;
      while (filled < wanted) {
        const { bytesRead } = await file.read(buffer, filled, wanted - filled, index * recordBytes + filled);
        if (bytesRead === 0) throw changedFault(path);
        filled += bytesRead;
      }
      yield buffer.subarray(0, wanted);
    }
  } finally {
    await file.close();
  }
}

export function changedFault(path: string): OperatorFault {
  return new OperatorFault(
    "usage",
    `${path} changed while it was read; nothing was published.`,
    "run the command again once the file is complete",
  );
}

async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await openFile(path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path);
  } catch (cause) {
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown reason";
    throw new OperatorFault("usage", `${path} cannot be read (${reason}).`, "name the firmware image", { cause });
  }
}
