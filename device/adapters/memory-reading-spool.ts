import type { ReadingSpool, SpoolInput } from "../ports.ts";
import { type SpoolOptions, bytesOf, defaultSpoolBytes, makeRoom } from "./spool-room.ts";

type Held = SpoolInput & { readonly id: string; readonly bytes: number; readonly taken: boolean };

/** For tests and simulations: readings that end with the process. */
export function memoryReadingSpool({ mostBytes = defaultSpoolBytes }: SpoolOptions = {}): ReadingSpool {
  let held: readonly Held[] = [];
  let last = 0;
  let dropped = 0;
  const without = (ids: readonly string[]) => held.filter(({ id }) => !ids.includes(id));
  const drop = (gone: readonly Held[]): number => {
    const records = gone.reduce((sum, entry) => sum + entry.records, 0);
    held = without(gone.map(({ id }) => id));
    dropped += records;
    return records;
  };
  return {
    async append(entries, whenFull) {
      const added = entries.map((entry) => ({ ...entry, bytes: bytesOf(entry), taken: false }));
      const needed = added.reduce((sum, { bytes }) => sum + bytes, 0);
      const records = drop(makeRoom(held, needed, { mostBytes, whenFull }));
      held = [...held, ...added.map((entry) => ({ ...entry, id: String((last += 1)) }))];
      return { dropped: records };
    },
    async list() {
      return held.map(({ id, stream, records, bytes }) => ({ id, stream, records, bytes }));
    },
    async take(ids) {
      held = held.map((entry) => (ids.includes(entry.id) ? { ...entry, taken: true } : entry));
      return ids.map((id) => held.find((entry) => entry.id === id)?.content ?? null);
    },
    async remove(ids) {
      held = without(ids);
    },
    async discard(ids) {
      drop(held.filter(({ id }) => ids.includes(id)));
    },
    async status() {
      const sum = (of: "records" | "bytes") => held.reduce((total, entry) => total + entry[of], 0);
      return { records: sum("records"), bytes: sum("bytes"), dropped };
    },
  };
}
