import { join } from "node:path";

import * as z from "zod/mini";

import { isDeviceError } from "../device-error.ts";
import { readDurable, removeAllDurable, writeDurable } from "./durable-file.ts";
import { lockHome } from "./home-lock.ts";
import { type SpoolFile, spoolName } from "./spool-name.ts";

const countSchema = z.object({
  /** Records, for the life of the spool. */
  records: z.int(),
  /** Of those, the entries whose files may still be there: they are not counted again. */
  counted: z.array(z.string()),
});

/** Each is a name without content. */
const manyFiles = 16;
const later: ReadonlySet<string> = new Set(["home-busy", "no-space"]);

/**
 * How many records were dropped, exactly, whoever dropped them and wherever the power failed. A dropped entry is a file of that state until it
 * is counted; counting is one durable write that names what it counted, and then the files go. One process counts at a time; one that finds
 * another at it leaves its own to the next.
 */
export function dropCount(folder: string, listDropped: () => Promise<readonly SpoolFile[]>) {
  const file = join(folder, "dropped.json");
  const read = async () => {
    const text = await readDurable(file);
    return text === null ? { records: 0, counted: [] } : parseCount(text);
  };
  const uncounted = (dropped: readonly SpoolFile[], counted: readonly string[]) =>
    dropped.filter(({ id }) => !counted.includes(id)).reduce((sum, { records }) => sum + records, 0);
  const countAll = async () => {
    const unlock = await lockHome(folder);
    try {
      const dropped = await listDropped();
      const { records, counted } = await read();
      const next = { records: records + uncounted(dropped, counted), counted: dropped.map(({ id }) => id) };
      await writeDurable(file, `${JSON.stringify(next)}\n`);
      await removeAllDurable(folder, dropped.map(spoolName));
    } finally {
      await unlock();
    }
  };
  return {
    async total(): Promise<number> {
      // In this order: what is counted meanwhile is named there.
      const dropped = await listDropped();
      const { records, counted } = await read();
      return records + uncounted(dropped, counted);
    },
    /** Once there are many. Where another counts, or the disk is full, the files stay as they are, and tell. */
    async count(): Promise<void> {
      try {
        if ((await listDropped()).length < manyFiles) return;
        await countAll();
      } catch (error) {
        if (!isDeviceError(error) || !later.has(error.code)) throw error;
      }
    },
  };
}

/** A count that cannot be read begins anew: it must not keep readings from being stored. */
function parseCount(text: string): z.infer<typeof countSchema> {
  try {
    return countSchema.parse(JSON.parse(text));
  } catch {
    return { records: 0, counted: [] };
  }
}
