import { decodeBase64url, encodeBase64url, parseJson } from "@sealpost/protocol/token/strict.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";
import * as z from "zod/mini";

import { type Parsed, invalid } from "./call.ts";

/**
 * Where a list goes on, opaque to the client: the partition's index in the list of partitions, and the store's own cursor in it.
 */
const cursorSchema = z.tuple([z.int().check(z.minimum(0), z.maximum(15)), z.optional(z.string())]);
export type Position = { readonly partition: number; readonly after?: string };

export const foreignCursor = invalid("cursor", "The cursor is not one that this list returned.");

export function encodeCursor({ partition, after }: Position): string {
  return encodeBase64url(JSON.stringify(after === undefined ? [partition] : [partition, after]));
}

export function decodeCursor(cursor: string | undefined): Parsed<Position> {
  if (cursor === undefined) return { value: { partition: 0 } };
  try {
    const read = cursorSchema.safeParse(parseJson(decodeBase64url(cursor, "cursor"), "cursor"));
    if (read.success) {
      const [partition, after] = read.data;
      return { value: after === undefined ? { partition } : { partition, after } };
    }
  } catch (error) {
    if (!isTokenError(error)) throw error;
  }
  return foreignCursor;
}
