import type { Item, ListRequest, Store } from "../store/port.ts";
import { type Parsed } from "./call.ts";
import { keyAt } from "../store/cursor.ts";
import { decodeCursor, encodeCursor, foreignCursor } from "./cursor.ts";

/** Partitions of the list indexes of credentials and devices: the first hex digit of the id, so that no partition is hot. */
const shards = [..."0123456789abcdef"];

export type ListPage = { readonly items: readonly Item[]; readonly cursor?: string };

type Paging = { readonly limit: number; readonly cursor?: string | undefined };

/**
 * One page over all shards, in the order of the ids.
 * @param id what the ids begin with
 */
export async function listShards(
  store: Pick<Store, "list">,
  table: "credentials" | "devices",
  { id, ...paging }: Paging & { readonly id?: string | undefined },
): Promise<Parsed<ListPage>> {
  const partitions = shards
    .filter((shard) => id === undefined || id.startsWith(shard))
    .map((shard) => ({
      table,
      index: "list" as const,
      partition: ["shard", shard] as const,
      ...(id === undefined ? {} : { beginsWith: id }),
    }));
  return listPartitions(store, partitions, paging);
}

/** One page of one partition after the other. It holds `limit` items unless the list ends. */
export async function listPartitions(
  store: Pick<Store, "list">,
  partitions: readonly Omit<ListRequest, "limit" | "cursor">[],
  { limit, cursor }: Paging,
): Promise<Parsed<ListPage>> {
  const start = decodeCursor(cursor);
  if ("problem" in start) return start;
  const items: Item[] = [];
  let { partition, after } = start.value;
  for (let request = partitions[partition]; request; request = partitions[partition]) {
    if (after !== undefined && !keyAt(request, after)) return foreignCursor;
    const remaining = limit - items.length;
    if (remaining === 0) return { value: { items, cursor: encodeCursor(position(partition, after)) } };
    const page = await store.list({ ...request, limit: remaining, ...(after === undefined ? {} : { cursor: after }) });
    items.push(...page.items);
    after = page.cursor;
    if (after === undefined) partition += 1;
  }
  return { value: { items } };
}

function position(partition: number, after: string | undefined) {
  return after === undefined ? { partition } : { partition, after };
}
