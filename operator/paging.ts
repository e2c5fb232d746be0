import { pageItems } from "@sealpost/protocol/operator/paging.ts";
import { type Command, InvalidArgumentError } from "commander";

export type PagingOptions = { readonly all?: boolean; readonly limit: number; readonly cursor?: string };

const mostItems = 10_000;

/** The options of every list. */
export function addPaging(command: Command): Command {
  return command
    .option("--limit <n>", "how many to show", parseLimit, pageItems.usual)
    .option("--cursor <cursor>", "go on where an earlier list ended")
    .option("--all", "show everything");
}

/** The query members of one page. */
export type PageQuery = { readonly limit: string; readonly cursor: string | undefined };

type Page<T> = { readonly items: readonly T[]; readonly cursor?: string | undefined };

/**
 * Asks for pages until there are enough items, or for all of them. A page may be empty and still not be the last, and the last may have a cursor:
 * there is one here only where an item follows.
 */
export async function collect<T>(
  fetchPage: (page: PageQuery) => Promise<Page<T>>,
  { all = false, limit, cursor: start }: PagingOptions,
): Promise<Page<T>> {
  const wanted = all ? Infinity : limit;
  const items: T[] = [];
  let cursor = start;
  do {
    const page = await fetchPage({ limit: String(Math.min(pageItems.most, wanted - items.length)), cursor });
    items.push(...page.items);
    cursor = page.cursor;
  } while (cursor !== undefined && items.length < wanted);
  let after = cursor;
  while (after !== undefined) {
    const next = await fetchPage({ limit: "1", cursor: after });
    if (next.items.length > 0) break;
    after = next.cursor;
  }
  if (after === undefined) return { items };
  return cursor === undefined ? { items } : { items, cursor };
}

/** The line under a list that is not at its end. */
export function moreNote(cursor: string | undefined): string | undefined {
  return cursor === undefined ? undefined : `There is more: --cursor ${cursor}, or --all.`;
}

function parseLimit(text: string): number {
  if (/^[1-9]\d{0,4}$/u.test(text) && Number(text) <= mostItems) return Number(text);
  throw new InvalidArgumentError(`It is a whole number from 1 to ${mostItems}; --all shows everything.`);
}
