import { type FileHandle, open } from "node:fs/promises";

import { contentBytes, countRecords } from "@sealpost/protocol/content/aes128gcm.ts";
import { limits } from "@sealpost/protocol/limits.ts";

import { OperatorFault } from "../fault.ts";

/** A firmware file and how it is cut. */
export type Image = {
  readonly path: string;
  readonly size: number;
  readonly chunkBytes: number;
  readonly chunkCount: number;
  /** Of the image encrypted by RFC 8188. */
  readonly encryptedBytes: number;
};

/** More chunks make a manifest that takes longer to fetch than what it saves when one is damaged. */
const mostChunks = 1_024;

/** @throws OperatorFault */
export async function openImage(path: string): Promise<Image> {
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
  return { path, size, ...cut(size) };
}

/** The smallest power of two, from the least that the protocol allows, that makes few enough chunks. */
export function cut(size: number): Pick<Image, "chunkBytes" | "chunkCount" | "encryptedBytes"> {
  let chunkBytes: number = limits.firmware.chunkBytes;
  while (countRecords(size, chunkBytes) > mostChunks) chunkBytes *= 2;
  return { chunkBytes, chunkCount: countRecords(size, chunkBytes), encryptedBytes: contentBytes(size, chunkBytes) };
}

/**
 * The chunks in order, each whole but the last. One buffer is used for all: a chunk is gone when the next is asked for.
 * @throws OperatorFault if the file does not have the size it had
 */
export async function* readChunks({ path, size, chunkBytes, chunkCount }: Image): AsyncGenerator<Uint8Array> {
  const file = await openFile(path);
  try {
    const buffer = new Uint8Array(chunkBytes);
    for (let index = 0; index < chunkCount; index += 1) {
      const wanted = Math.min(chunkBytes, size - index * chunkBytes);
      let filled = 0;
      while (filled < wanted) {
        const { bytesRead } = await file.read(buffer, filled, wanted - filled, index * chunkBytes + filled);
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
