import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

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
  await moveAllDurable(dirname(to), [[basename(from), basename(to)]]);
}

/**
 * All of them with one sync of the folder.
 * @param moves names in the folder, from and to
 * @returns of each, whether it was there
 */
export async function moveAllDurable(
  folder: string,
  moves: readonly (readonly [string, string])[],
): Promise<readonly boolean[]> {
  const moved: boolean[] = [];
  try {
    await checkFolder(folder);
    for (const [from, to] of moves) moved.push(await moveOne(join(folder, from), join(folder, to)));
    if (moved.includes(true)) await syncFolder(folder);
    return moved;
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return moves.map(() => false);
    throw fileFault(folder, cause);
  }
}

async function moveOne(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return false;
    throw fileFault(to, cause);
  }
}

export async function removeDurable(path: string): Promise<void> {
  await removeAllDurable(dirname(path), [basename(path)]);
}

/** All of them with one sync of the folder. */
export async function removeAllDurable(folder: string, names: readonly string[]): Promise<void> {
  try {
    for (const name of names) await rm(join(folder, name), { force: true });
    if (names.length > 0) await syncFolder(folder);
  } catch (cause) {
    if (errorCode(cause) !== "ENOENT") throw fileFault(folder, cause);
  }
}

/** The names in a folder; none where there is no folder. */
export async function listFolder(path: string): Promise<readonly string[]> {
  try {
    await checkFolder(path);
    return await readdir(path);
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return [];
    throw fileFault(path, cause);
  }
}

/** Gives back what a file takes, and leaves its name. */
export async function emptyFile(path: string): Promise<void> {
  try {
    await withFile(path, changeOnly, async (file) => file.truncate(0));
  } catch (cause) {
    if (errorCode(cause) !== "ENOENT") throw fileFault(path, cause);
  }
}

/** What a process that is gone was writing. Younger ones are left to their writers. */
const writingMilliseconds = 60_000;

export async function clearAbandoned(folder: string): Promise<void> {
  for (const name of (await listFolder(folder)).filter((found) => found.endsWith(".tmp"))) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => null);
    if (found && Math.abs(Date.now() - found.mtimeMs) > writingMilliseconds) await removeDurable(path);
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
