import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";

import { DeviceError } from "../device-error.ts";
import { fileFault, makeFolder } from "./durable-file.ts";
import { type Other, publishEntry, readEntry } from "./lock-entry.ts";
import { type ProcessMark, ownMark } from "./process-mark.ts";

/** `lock.<random>`; with a dot before it while it is made. */
const entryName = /^\.?lock\.[0-9a-f]{24}$/;
/** How long who may stay waits for those who are to go, and between two looks. */
const patienceMilliseconds = 5_000;
const pauseMilliseconds = 20;

/**
 * Keeps two processes out of one home: the delivery rules allow one sender. Each that wants the home shows an entry of its own, and has it once
 * it sees no other living one: of two, the second to appear sees the first, so never both have it. Entries of processes that are gone are
 * cleared away by whoever sees them. It works between containers on one machine, not between machines that share a file system.
 * @returns releases the lock
 * @throws DeviceError `home-busy` · `home-unsafe` · `home-denied` · `no-space`
 * @example
 * const unlock = await lockHome("/var/lib/meter");
 * try {
 *   await (await Device.open({ ports })).checkFirmware();
 * } finally {
 *   await unlock();
 * }
 */
export async function lockHome(home: string): Promise<() => Promise<void>> {
  await makeFolder(home);
  const own = await ownMark();
  for (let tries = 0; tries < 5; tries += 1) {
    const name = `lock.${randomBytes(12).toString("hex")}`;
    const entry = await publishEntry(home, name, own);
    if (!entry) continue;
    try {
      await prevail(home, name, own);
      entry.hold();
      return () => entry.withdraw();
    } catch (error) {
      await entry.withdraw();
      throw error;
    }
  }
  throw new DeviceError("home-busy", `others come and go in ${home}`);
}

/** Resolves once no other entry lives. Of those who only ask, all but the first by name give way, so that one of them gets it. */
async function prevail(home: string, name: string, own: ProcessMark): Promise<void> {
  const start = performance.now();
  for (;;) {
    const others = await livingOthers(home, name, own);
    const tired = performance.now() - start > patienceMilliseconds;
    const first = others.find((other) => other.holds || other.name < name || tired);
    if (first) throw new DeviceError("home-busy", `${describe(first.mark, own)} works in ${home}`, { path: home });
    if (others.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, pauseMilliseconds));
  }
}

async function livingOthers(
  home: string,
  name: string,
  own: ProcessMark,
): Promise<readonly (Other & { readonly name: string })[]> {
  const names = await readdir(home).catch((cause: unknown) => Promise.reject(fileFault(home, cause)));
  const others = [];
  for (const found of names) {
    if (!entryName.test(found) || found === name) continue;
    const other = await readEntry(home, found, own);
    // What is still being made will itself look at what is here.
    if (other && !found.startsWith(".")) others.push({ ...other, name: found });
  }
  return others;
}

function describe(mark: ProcessMark | null, own: ProcessMark): string {
  if (!mark) return "a process that does not answer";
  const elsewhere = mark.namespace === own.namespace ? "" : " of another container, by its own count,";
  return `process ${mark.pid}${elsewhere}`;
}
