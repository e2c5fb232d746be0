import { join } from "node:path";

import type { ReadingSpool, SpoolInput, WhenFull } from "../ports.ts";
import { dropCount } from "./drop-count.ts";
import { DeviceError, isDeviceError } from "../device-error.ts";
import {
  clearAbandoned,
  emptyFile,
  errorCode,
  listFolder,
  moveAllDurable,
  readDurable,
  removeAllDurable,
  writeDurable,
} from "./durable-file.ts";
import { type SpoolFile, type SpoolFileState, byAge, newSpoolId, parseSpoolName, spoolName } from "./spool-name.ts";
import { type SpoolOptions, bytesOf, defaultSpoolBytes, makeRoom } from "./spool-room.ts";

/** What a small file takes of most file systems. */
const blockBytes = 4_096;

/**
 * A folder with a file for each entry, that any number of processes append to. An entry appears whole, under a name that no other has, and in the order of a count
 * that goes on above all that is there: no clock. Files count as whole blocks of 4 KiB; what others append at the same instant may come on top.
 */
export function fileReadingSpool(folder: string, { mostBytes = defaultSpoolBytes }: SpoolOptions = {}): ReadingSpool {
  const pathOf = (entry: Pick<SpoolFile, "id" | "state">) => join(folder, spoolName(entry));
  const listFiles = async (...states: readonly SpoolFileState[]): Promise<readonly SpoolFile[]> =>
    (await listFolder(folder))
      .map(parseSpoolName)
      .filter((entry) => entry !== null)
      .filter(({ state }) => states.includes(state))
      .toSorted(byAge);
  const drops = dropCount(folder, () => listFiles("dropped"));
  /** The highest place that this process took: the spool may have been emptied since. */
  let last = 0;
  let turn: Promise<unknown> = Promise.resolve();

  const move = (entries: readonly Pick<SpoolFile, "id" | "state">[], to: SpoolFileState) =>
    moveAllDurable(
      folder,
      entries.map(({ id, state }) => [spoolName({ id, state }), spoolName({ id, state: to })]),
    );
  const drop = async (entries: readonly SpoolFile[]): Promise<number> => {
    if (entries.length === 0) return 0;
    const moved = await move(entries, "dropped");
    const dropped = entries.filter((_entry, index) => moved[index]);
    for (const { id } of dropped) await emptyFile(pathOf({ id, state: "dropped" }));
    await drops.count();
    return dropped.reduce((sum, { records }) => sum + records, 0);
  };
  const append: ReadingSpool["append"] = async (entries, whenFull) => {
    const files = await listFiles("readings", "taken", "dropped");
    const held = files
      .filter(({ state }) => state !== "dropped")
      .map((file) => ({ ...file, bytes: blocks(file.bytes), taken: file.state === "taken" }));
    const needed = entries.reduce((sum, entry) => sum + blocks(bytesOf(entry)), 0);
    let dropped = await drop(makeRoom(held, needed, { mostBytes, whenFull }));
    last = files.reduce((most, { order }) => Math.max(most, order), last);
    for (const entry of entries) {
      last += 1;
      while (!(await write(folder, entry, last, whenFull))) {
        const [oldest] = await listFiles("readings");
        if (!oldest) throw new DeviceError("no-space", folder, { path: folder });
        dropped += await drop([oldest]);
      }
    }
    return { dropped };
  };

  return {
    append(entries, whenFull) {
      const mine = turn.then(() => append(entries, whenFull));
      turn = mine.catch(() => {});
      return mine;
    },
    async list() {
      const files = await listFiles("readings", "taken");
      return files.map(({ id, stream, records, bytes }) => ({ id, stream, records, bytes }));
    },
    async take(ids) {
      await clearAbandoned(folder);
      await move(
        ids.map((id) => ({ id, state: "readings" })),
        "taken",
      );
      const contents: (string | null)[] = [];
      for (const id of ids) contents.push(await readDurable(pathOf({ id, state: "taken" })));
      return contents;
    },
    async remove(ids) {
      const states = ["taken", "readings"] as const;
      await removeAllDurable(
        folder,
        ids.flatMap((id) => states.map((state) => spoolName({ id, state }))),
      );
    },
    async discard(ids) {
      await drop((await listFiles("readings", "taken")).filter(({ id }) => ids.includes(id)));
    },
    async status() {
      const files = await listFiles("readings", "taken");
      const sum = (of: "records" | "bytes") => files.reduce((total, entry) => total + entry[of], 0);
      return { records: sum("records"), bytes: sum("bytes"), dropped: await drops.total() };
    },
  };
}

function blocks(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / blockBytes)) * blockBytes;
}

/** @returns false when the disk is full and the oldest may go for it */
async function write(folder: string, entry: SpoolInput, order: number, whenFull: WhenFull): Promise<boolean> {
  const { stream, records } = entry;
  const id = newSpoolId({ order, records, bytes: bytesOf(entry), stream });
  for (let tries = 1; ; tries += 1) {
    try {
      await writeDurable(join(folder, spoolName({ id, state: "readings" })), entry.content);
      return true;
    } catch (error) {
      if (isDeviceError(error) && error.code === "no-space" && whenFull === "drop-oldest") return false;
      // Taken for abandoned, as when the clock was set meanwhile.
      const isGone = error instanceof Error && errorCode(error.cause) === "ENOENT";
      if (!isGone || tries === 3) throw error;
    }
  }
}
