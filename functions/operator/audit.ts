import { isDayCursor, listDay, parseEntry } from "../registry/journal.ts";
import type { Answer, Call } from "./act.ts";
import { type Parsed, invalid } from "./call.ts";
import { decodeCursor, encodeCursor, foreignCursor } from "./cursor.ts";
import type { OperatorPorts } from "./ports.ts";
import { type ListPage, listPartitions } from "./shards.ts";

export async function listAudit({ query }: Call<"listAudit">, { store }: OperatorPorts): Promise<Answer<"listAudit">> {
  const { target, day, ...paging } = query;
  if ((target === undefined) === (day === undefined))
    return invalid("target", "Either target or day is given, and not both.");
  const page =
    target === undefined
      ? await listOneDay(store, day ?? "", paging)
      : await listPartitions(store, [{ table: "journal", descending: true, partition: ["target", target] }], paging);
  if ("problem" in page) return page;
  const { items, ...rest } = page.value;
  const entries = items.map(parseEntry);
  return { reply: { entries, ...rest } };
}

/** Newest first over all partitions of the day. */
async function listOneDay(
  store: OperatorPorts["store"],
  day: string,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<Parsed<ListPage>> {
  const start = decodeCursor(cursor);
  if ("problem" in start) return start;
  const { after } = start.value;
  if (after !== undefined && !isDayCursor(day, after)) return foreignCursor;
  const { items, cursor: next } = await listDay(store, day, { limit, cursor: after });
  return { value: next === undefined ? { items } : { items, cursor: encodeCursor({ partition: 0, after: next }) } };
}
