import { z } from "zod/mini";

import type { ProxiedCall } from "../../local/network/proxy.ts";

const itemSchema = z.record(z.string(), z.record(z.string(), z.unknown()));
const oneSchema = z.object({ Item: z.optional(itemSchema) });
const batchRequestSchema = z.object({
  RequestItems: z.record(z.string(), z.object({ Keys: z.array(z.unknown()), ConsistentRead: z.optional(z.boolean()) })),
});
const batchSchema = z.object({ Responses: z.record(z.string(), z.array(itemSchema)) });

/**
 * What a read costs by DynamoDB's rules, which the emulator does not keep: each item is rounded up to 4 KiB, a missing one counts one unit, and a
 * read that need not be consistent costs half.
 */
export function readUnits({ operation, request, reply }: ProxiedCall): number {
  const [asked, answered]: unknown[] = [JSON.parse(request.toString()), JSON.parse(reply.toString())];
  if (operation === "GetItem") {
    const { ConsistentRead } = z.object({ ConsistentRead: z.optional(z.boolean()) }).parse(asked);
    const { Item = {} } = oneSchema.parse(answered);
    return unitsOf(Item) * (ConsistentRead === true ? 1 : 0.5);
  }
  if (operation !== "BatchGetItem") return 0;
  const { RequestItems } = batchRequestSchema.parse(asked);
  const { Responses } = batchSchema.parse(answered);
  return Object.entries(RequestItems).reduce((sum, [table, { Keys, ConsistentRead }]) => {
    const items = Responses[table] ?? [];
    const units = items.reduce((units, item) => units + unitsOf(item), Keys.length - items.length);
    return sum + units * (ConsistentRead === true ? 1 : 0.5);
  }, 0);
}

type Marshalled = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

function unitsOf(item: Marshalled): number {
  return Math.max(1, Math.ceil(itemBytes(item) / 4_096));
}

/** As DynamoDB counts it: see the sizes of items in its developer guide. */
function itemBytes(item: Marshalled): number {
  return Object.entries(item).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + valueBytes(value), 0);
}

function valueBytes(value: Readonly<Record<string, unknown>>): number {
  const [[type, content] = ["NULL", true]] = Object.entries(value);
  if (type === "S") return Buffer.byteLength(String(content));
  if (type === "N") return Math.ceil(String(content).replace(/[-.]/gu, "").length / 2) + 1;
  if (type === "B") return Buffer.from(String(content), "base64").length;
  if (type === "BOOL" || type === "NULL") return 1;
  if (type === "M") {
    const members = itemSchema.parse(content);
    return 3 + Object.keys(members).length + itemBytes(members);
  }
  const members = z.array(z.record(z.string(), z.unknown())).parse(content);
  return 3 + members.reduce((sum, member) => sum + 1 + valueBytes(member), 0);
}
