import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";

import { DeviceError, isDeviceError } from "../device-error.ts";

/**
 * Files that a power cut leaves whole: the old content or the new, readable by the owner alone. A folder that others can write to is refused,
 * and no symbolic link is followed in it: what stands there could be anybody's.
 */

/**
 * @returns null where there is no file
 * @throws DeviceError `home-unsafe` · `home-denied`, as all of these
 */
export async function readDurable(path: string): Promise<string | null> {
  try {
    await checkFolder(dirname(path));
    return await withFile(path, readOnly, async (file) => file.readFile("utf8"));
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return null;
    throw fileFault(path, cause);
  }
}

/** Written beside, synced, renamed over, and the folder synced, so that the name is durable too. */
export async function writeDurable(path: string, content: string): Promise<void> {
  const beside = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await makeFolder(dirname(path));
    await withFile(beside, createOnly, async (file) => {
      await file.writeFile(content);
      await file.sync();
    });
    await rename(beside, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await rm(beside, { force: true }).catch(() => {});
    throw fileFault(path, cause);
  }
}

export async function moveDurable(from: string, to: string): Promise<void> {
  try {
    await checkFolder(dirname(to));
    await rename(from, to);
    await syncFolder(dirname(to));
  } catch (cause) {
    if (errorCode(cause) !== "ENOENT") throw fileFault(to, cause);
  }
}

export async function removeDurable(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
    await syncFolder(dirname(path));
  } catch (cause) {
    if (errorCode(cause) !== "ENOENT") throw fileFault(path, cause);
  }
}

/** @throws DeviceError `home-unsafe` · `home-denied` · `no-space` */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await checkFolder(path);
  } catch (cause) {
    throw fileFault(path, cause);
  }
}

// Windows has neither; waiting for the other end of a pipe that stands in the place of a file would be for ever.
const notElsewhere = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
export const readOnly = constants.O_RDONLY | notElsewhere;
export const changeOnly = constants.O_RDWR | notElsewhere;
/** With O_EXCL a name that exists, be it a link that points nowhere, is never opened (POSIX open). */
export const createOnly = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;

export async function withFile<T>(path: string, flags: number, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags, 0o600);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

/** As ssh does for its own; the sticky bit of /tmp protects neither what is in the folder nor new names in it. */
async function checkFolder(path: string): Promise<void> {
  const { mode } = await stat(path);
  // Windows has other rights, and shows these as all set.
  if (process.platform === "win32" || (mode & 0o022) === 0) return;
  throw new DeviceError("home-unsafe", `${path} has mode ${(mode & 0o7777).toString(8).padStart(4, "0")}`, { path });
}

/** The system's code of a failed call, such as `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

const noSpace: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** What the system said about a file, as the SDK's error; an error of the SDK stays what it is. */
export function fileFault(path: string, cause: unknown): DeviceError {
  if (isDeviceError(cause)) return cause;
  const code = errorCode(cause) ?? "unknown fault";
  return new DeviceError(noSpace.has(code) ? "no-space" : "home-denied", `${path} (${code})`, { cause, path });
}

/** Where the file system cannot sync a folder, its names are as durable as it makes them. */
const cannotSync: ReadonlySet<string> = new Set(["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EISDIR", "EPERM"]);

async function syncFolder(path: string): Promise<void> {
  try {
    await withFile(path, constants.O_RDONLY, async (folder) => folder.sync());
  } catch (cause) {
    if (!cannotSync.has(errorCode(cause) ?? "")) throw cause;
  }
}
