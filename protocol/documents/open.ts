import * as z from "zod/mini";

import { type SigningJwk, bareSigningJwk } from "../suites/suites.ts";

/**
 * A list that may grow new kinds in the life of a reader: entries that it does not know are passed over (RFC 7517 §5), and at least one that it
 * can use must be left. What bounds it is the size of the document.
 * @param read gives undefined for an entry that is to be passed over
 */
export function openList<T extends NonNullable<unknown>>(read: (entry: unknown) => T | undefined) {
  const usable = z.transform((entries: unknown[]): T[] => entries.flatMap((entry) => read(entry) ?? []));
  return z.pipe(z.array(z.unknown()), usable).check(z.minLength(1));
}

/** A member that says nothing where it has another form than this version knows: as good as absent. */
export function ifUsable<T>(schema: z.ZodMiniType<T>) {
  return z.optional(
    z.pipe(
      z.unknown(),
      z.transform((value): T | undefined => schema.safeParse(value).data),
    ),
  );
}

const privateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

const listedSchema = z.object({ use: z.optional(z.literal("sig")), alg: z.optional(z.string()) });

/** A listed key that this version can verify signatures with, bare; undefined for any other kind, and for one whose private half is in sight. */
export function readSigningKey(entry: unknown): SigningJwk | undefined {
  const listed = showsPrivateHalf(entry) ? undefined : listedSchema.safeParse(entry).data;
  return listed && bareSigningJwk(entry, listed.alg);
}

export function showsPrivateHalf(entry: unknown): boolean {
  return typeof entry === "object" && entry !== null && privateMembers.some((member) => Object.hasOwn(entry, member));
}
