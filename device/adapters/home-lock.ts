import { link, readFile, rename, rm, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { DeviceError } from "../device-error.ts";
import { denied, errorCode, makeFolder } from "./durable-file.ts";

/**
 * Keeps two processes out of one home: the delivery rules allow one sender. The lock is a file with the owner's process id; one whose owner is
 * gone is taken over.
 * @returns releases the lock
 * @throws DeviceError `home-busy` · `home-denied`
 */
export async function lockHome(home: string): Promise<() => Promise<void>> {
  const path = join(home, "lock");
  try {
    await makeFolder(home);
  } catch (cause) {
    throw denied(home, cause);
  }
  for (let tries = 0; tries < 3; tries += 1) {
    if (await take(path)) return () => rm(path, { force: true });
    const owner = await readOwner(path);
    if (owner !== null && isAlive(owner)) throw new DeviceError("home-busy", `process ${owner} holds ${path}`);
    await clear(path, owner);
  }
  throw new DeviceError("home-busy", `${path} changes hands`);
}

async function take(path: string): Promise<boolean> {
  const mine = `${path}.${process.pid}`;
  try {
    await writeFile(mine, `${process.pid}\n`, { mode: 0o600 });
    // A link appears with its content or not at all.
    await link(mine, path);
    return true;
  } catch (cause) {
    if (errorCode(cause) === "EEXIST") return false;
    throw denied(path, cause);
  } finally {
    await rm(mine, { force: true });
  }
}

/** Null for a lock that says nothing; no process of ours leaves one. */
async function readOwner(path: string): Promise<number | null> {
  try {
    const owner = Number.parseInt(await readFile(path, "utf8"), 10);
    return Number.isSafeInteger(owner) && owner > 0 ? owner : null;
  } catch {
    return null;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

/** Takes the dead lock away under a name of our own first, so that of two who find it only one removes it. */
async function clear(path: string, owner: number | null): Promise<void> {
  const aside = `${path}.${process.pid}.stale`;
  try {
    await rename(path, aside);
    if ((await readOwner(aside)) === owner) await unlink(aside);
    else await rename(aside, path);
  } catch {
    // Somebody else was quicker; the next try sees whose it is.
  }
}
