import { type Item, type ListRequest, sortAttribute, tables } from "./port.ts";

type Listed = Pick<ListRequest, "table" | "index" | "partition">;

/** Key attributes of what a list holds, beside that of the partition, which the request says. */
function keyNames({ table, index, partition: [attribute] }: Listed): string[] {
  return [...new Set([sortAttribute(table, index), ...tables[table]])].filter((name) => name !== attribute);
}

/** Where a list goes on behind an item: no longer than it must be, since people copy it. */
export function cursorBehind(request: Listed, item: Item): string {
  return JSON.stringify(keyNames(request).map((name) => item[name]));
}

/** The key that a cursor stands for; undefined for one that this list never gave. */
export function keyAt(request: Listed, cursor: string): Item | undefined {
  const names = keyNames(request);
  let values: unknown;
  try {
    values = JSON.parse(cursor);
  } catch {
    return undefined;
  }
  if (!Array.isArray(values) || values.length !== names.length) return undefined;
  const [attribute, value] = request.partition;
  const key: Record<string, unknown> = { [attribute]: value };
  for (const [position, name] of names.entries()) {
    const part: unknown = values[position];
    // An empty string is no key (DynamoDB).
    if (name === "counter" ? !Number.isSafeInteger(part) : typeof part !== "string" || part === "") return undefined;
    key[name] = part;
  }
  return key;
}
