import { hash } from "node:crypto";

import canonicalize from "canonicalize";
import * as z from "zod/mini";

import { digestBytes } from "../registry/window-codec.ts";

const identified = z.looseObject({
  jti: z.optional(z.unknown()),
  operation: z.optional(z.unknown()),
  body: z.optional(z.unknown()),
});

/**
 * What identifies a message besides its seq: the leading bits of SHA-256 over the canonical JSON (RFC 8785) of `[jti, operation, body]`, hex.
 * Times, keys and padding may change when a message is sealed again; these may not.
 * @param raw the claims as parsed, valid or not
 */
export function messageDigest(raw: unknown): string {
  const { jti = null, operation = null, body = null } = identified.parse(raw);
  return hash("sha256", canonicalJson([jti, operation, body]), "hex").slice(0, digestBytes * 2);
}

/**
 * RFC 8785 for what JSON.parse made: JSON.stringify writes strings and numbers as it asks, so members in order are all that is missing. An engine moves
 * members with the names of array indexes to the front, whatever was asked; such an object is for the library.
 */
export function canonicalJson(value: unknown): string {
  const ordered = inOrder(value);
  return (ordered === unordered ? canonicalize(value) : JSON.stringify(ordered)) ?? "";
}

const unordered = Symbol("unordered");
const arrayIndex = /^\d/;

/** A copy with its members in the order of their UTF-16 code units, or `unordered`. */
function inOrder(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    const items = value.map(inOrder);
    return items.includes(unordered) ? unordered : items;
  }
  const members: { readonly [name: string]: unknown } = { ...value };
  const names = Object.keys(members);
  // Those at the front are enough to look at.
  if (arrayIndex.test(names[0] ?? "")) return unordered;
  const copy: Record<string, unknown> = {};
  for (const name of names.sort()) {
    const ordered = inOrder(members[name]);
    if (ordered === unordered) return unordered;
    copy[name] = ordered;
  }
  return copy;
}
