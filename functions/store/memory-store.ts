import { type Item, type Key, type Put, type Store, type Table, indexes, tables } from "./port.ts";

/** A store in memory that passes the contract suite of the real one: for pure tests and simulations, never in place of DynamoDB. */
export function memoryStore(): Store {
  const stored = new Map<string, { table: Table; item: Item }>();

  const holds = ({ table, item, when }: Put) => {
    const present = stored.get(path({ table, key: item }))?.item;
    if (when === "absent") return present === undefined;
    return present !== undefined && Object.entries(when).every(([name, value]) => present[name] === value);
  };

  return {
    async read(keys) {
      return keys.map((key) => structuredClone(stored.get(path(key))?.item));
    },
    async write(puts) {
      if (!puts.every(holds)) return false;
      for (const { table, item } of puts)
        stored.set(path({ table, key: item }), { table, item: structuredClone(item) });
      return true;
    },
    async list({ table, index, partition: [attribute, value], limit, cursor, descending = false }) {
      const sort = sortAttribute(table, index);
      const order = (item: Item) => sortText(item[sort]);
      const found = [...stored.values()]
        .filter((entry) => entry.table === table && entry.item[attribute] === value)
        .map(({ item }) => item)
        .toSorted((a, b) => (order(a) < order(b) ? -1 : 1) * (descending ? -1 : 1));
      const start = cursor === undefined ? 0 : Number(cursor);
      const items = structuredClone(found.slice(start, start + limit));
      const end = start + items.length;
      return end < found.length ? { items, cursor: String(end) } : { items };
    },
  };
}

function path({ table, key }: Key): string {
  return JSON.stringify([table, ...tables[table].map((name) => key[name])]);
}

function sortAttribute(table: Table, index: keyof typeof indexes | undefined): string {
  if (index === "byDay" || table === "releases") return index ? "at" : "counter";
  return index ? tables[table][0] : (tables[table][1] ?? tables[table][0]);
}

function sortText(value: unknown): string {
  return typeof value === "number" ? String(value).padStart(20, "0") : String(value);
}
