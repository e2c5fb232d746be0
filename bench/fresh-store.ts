import { memoryStore } from "../functions/store/memory-store.ts";
import { type Item, type Key, type Store, tables } from "../functions/store/port.ts";

/**
 * A store for measurements: what it reads is made anew each time, as what comes from DynamoDB is (no cache by object helps), and it costs next to nothing
 * itself. Conditions are not looked at: one message runs at a time.
 */
export function freshStore(): Store {
  const stored = new Map<string, Item>();
  return {
    read: async (keys) => keys.map((key) => made(stored.get(path(key)))),
    async write(puts) {
      for (const { table, item } of puts) stored.set(path({ table, key: item }), item);
      return true;
    },
    list: (request) => memoryStore().list(request),
  };
}

function path({ table, key }: Key): string {
  return `${table} ${tables[table].map((name) => key[name]).join(" ")}`;
}

function made<T>(value: T): T {
  if (Array.isArray(value)) return value.map(made) as T;
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, made(member)])) as T;
}
