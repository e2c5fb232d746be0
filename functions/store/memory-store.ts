import { Fault } from "../fault/fault.ts";
import { cursorBehind, keyAt } from "./cursor.ts";
import { type Item, type Put, type Store, type Table, pathOf, sortAttribute } from "./port.ts";

/** A store in memory that passes the contract suite of the real one: for pure tests and simulations, never in place of DynamoDB. */
export function memoryStore(): Store {
  const stored = new Map<string, { table: Table; item: Item }>();

  const holds = ({ table, item, when }: Put) => {
    const present = stored.get(pathOf({ table, key: item }))?.item;
    if (when === "absent") return present === undefined;
    return present !== undefined && Object.entries(when).every(([name, value]) => present[name] === value);
  };

  return {
    async read(keys) {
      return keys.map((key) => structuredClone(stored.get(pathOf(key))?.item));
    },
    async write(puts) {
      if (!puts.every(holds)) return false;
      for (const { table, item } of puts)
        stored.set(pathOf({ table, key: item }), { table, item: structuredClone(item) });
      return true;
    },
    async list(request) {
      const { table, index, partition, beginsWith = "", limit, cursor, descending = false } = request;
      const [attribute, value] = partition;
      const sort = sortAttribute(table, index);
      const order = (item: Item) => sortText(item[sort]);
      /** The place need not be that of an item. */
      const startBehind = (found: readonly Item[], key: Item) => {
        const there = found.findIndex((item) => pathOf({ table, key: item }) === pathOf({ table, key }));
        if (there >= 0) return there + 1;
        const next = found.findIndex((item) => (descending ? order(item) < order(key) : order(item) > order(key)));
        return next < 0 ? found.length : next;
      };
      const found = [...stored.values()]
        .filter((entry) => entry.table === table && entry.item[attribute] === value)
        .map(({ item }) => item)
        .filter((item) => String(item[sort]).startsWith(beginsWith))
        .toSorted((a, b) => (order(a) < order(b) ? -1 : 1) * (descending ? -1 : 1));
      const key = cursor === undefined ? undefined : keyAt(request, cursor);
      if (cursor !== undefined && !key) throw new Fault("unavailable", "list: the cursor is of another list");
      const start = key ? startBehind(found, key) : 0;
      const items = structuredClone(found.slice(start, start + limit));
      const last = items.at(-1);
      return last && start + items.length < found.length ? { items, cursor: cursorBehind(request, last) } : { items };
    },
  };
}

function sortText(value: unknown): string {
  return typeof value === "number" ? String(value).padStart(20, "0") : String(value);
}
