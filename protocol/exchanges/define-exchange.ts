import type * as z from "zod/mini";

/** One exchange of sealed messages: its name on the wire and the shapes of both bodies. */
export type Exchange = {
  readonly operation: string;
  readonly request: z.ZodMiniType<object>;
  readonly reply: z.ZodMiniType<object>;
};

/** What the device sends, parsed. */
export type RequestOf<E extends Exchange> = z.infer<E["request"]>;
/** What the service answers when the status is `ok`, parsed. */
export type ReplyOf<E extends Exchange> = z.infer<E["reply"]>;

/**
 * Defines an exchange once for both ends; `exchanges.ts` lists it, and an end that has no row for it, or one of another shape, does not compile.
 *
 * @example
 * export const ping = defineExchange({
 *   operation: "ping",
 *   request: z.strictObject({ count: z.int() }),
 *   reply: z.object({ count: z.int() }),
 * });
 */
export function defineExchange<const E extends Exchange>(exchange: E): E {
  return exchange;
}
