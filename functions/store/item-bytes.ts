/**
 * Size of an item as DynamoDB counts it: UTF-8 names and text; numbers about one byte for two significant digits and one more; binary as it is;
 * maps and lists three bytes and one for each member. What is undefined is not stored.
 */
export function itemBytes(item: object): number {
  return Object.entries(item).reduce(
    (sum, [name, value]) => sum + (value === undefined ? 0 : Buffer.byteLength(name) + valueBytes(value)),
    0,
  );
}

function valueBytes(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (typeof value === "number")
    return Math.ceil(String(Math.abs(value)).replace(".", "").length / 2) + (value < 0 ? 2 : 1);
  if (value instanceof Uint8Array) return value.length;
  if (Array.isArray(value)) return 3 + value.reduce<number>((sum, member) => sum + 1 + valueBytes(member), 0);
  if (typeof value === "object" && value !== null) return 3 + Object.keys(value).length + itemBytes(value);
  return 1;
}
