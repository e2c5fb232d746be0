import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

import { DeviceError } from "../device-error.ts";

/** Files that a power cut leaves whole: the old content or the new, readable by the owner alone. */

/** @returns null where there is no file */
export async function readDurable(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return null;
    throw denied(path, cause);
  }
}

/** Written beside, synced, renamed over, and the folder synced, so that the name is durable too. */
export async function writeDurable(path: string, content: string): Promise<void> {
  const beside = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await makeFolder(dirname(path));
    const file = await open(beside, "wx", 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await rm(beside, { force: true }).catch(() => {});
    throw denied(path, cause);
  }
}

export async function moveDurable(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
    await syncFolder(dirname(to));
  } catch (cause) {
    if (errorCode(cause) !== "ENOENT") throw denied(to, cause);
  }
}

export async function removeDurable(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
    await syncFolder(dirname(path));
  } catch (cause) {
    if (errorCode(cause) !== "ENOENT") throw denied(path, cause);
  }
}

export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

/** The system's code of a failed call, such as `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

export function denied(path: string, cause: unknown): DeviceError {
  return new DeviceError("home-denied", `${path} (${errorCode(cause) ?? "unknown fault"})`, { cause });
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
