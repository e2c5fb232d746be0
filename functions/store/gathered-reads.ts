import { type Item, type Key, type Store, pathOf } from "./port.ts";

/** Of one BatchGetItem. */
const mostKeys = 100;

type Reader = {
  readonly keys: readonly Key[];
  readonly resolve: (items: readonly (Item | undefined)[]) => void;
  readonly reject: (error: unknown) => void;
};

/**
 * Joins reads that are asked for at the same time: as few calls as hold their keys, each key once. A call that fails, fails for those whose keys
 * are in it.
 */
export function gatheredReads(store: Pick<Store, "read">): Pick<Store, "read"> {
  const readers: Reader[] = [];

  const send = async (group: readonly Reader[], keys: ReadonlyMap<string, Key>): Promise<void> => {
    try {
      const items = await store.read([...keys.values()]);
      const found = new Map([...keys.keys()].map((path, n) => [path, items[n]]));
      for (const reader of group) reader.resolve(reader.keys.map((key) => found.get(pathOf(key))));
    } catch (error) {
      for (const reader of group) reader.reject(error);
    }
  };

  const flush = () => {
    let group: Reader[] = [];
    let keys = new Map<string, Key>();
    for (const reader of readers.splice(0)) {
      const joined = new Map([...keys, ...reader.keys.map((key) => [pathOf(key), key] as const)]);
      if (group.length > 0 && joined.size > mostKeys) {
        void send(group, keys);
        group = [];
        keys = new Map();
      }
      group.push(reader);
      for (const key of reader.keys) keys.set(pathOf(key), key);
    }
    if (group.length > 0) void send(group, keys);
  };

  return {
    read: (keys) =>
      new Promise((resolve, reject) => {
        // Behind everything that is ready to ask.
        if (readers.length === 0) setImmediate(flush);
        readers.push({ keys, resolve, reject });
      }),
  };
}
