import * as z from "zod/mini";

/** Items of one page of a list. */
export const pageItems = { usual: 50, most: 100 } as const;

/** Query members that every list takes. */
export const pageQuery = {
  limit: z.pipe(
    z.pipe(
      z.optional(z.string().check(z.regex(/^[1-9]\d{0,2}$/))),
      z.transform((text) => (text === undefined ? pageItems.usual : Number(text))),
    ),
    z.int().check(z.maximum(pageItems.most)),
  ),
  /** From the page before; opaque. */
  cursor: z.optional(z.string().check(z.maxLength(2_048))),
};

/** Where a list goes on; absent at its end. */
export const nextCursor = z.optional(z.string());
