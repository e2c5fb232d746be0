import { operatorLimits } from "@sealpost/protocol/operator/api.ts";
import { type Command, InvalidArgumentError } from "commander";

import type { PageOptions } from "./service.ts";

export type PagingOptions = { readonly all?: boolean; readonly limit: number; readonly cursor?: string };

/** The options of every list. */
export function addPaging(command: Command): Command {
  return command
    .option("--limit <n>", "how many to show", parseLimit, operatorLimits.pageItems.usual)
    .option("--cursor <cursor>", "go on where an earlier list ended")
    .option("--all", "show everything");
}

type Page<T> = { readonly items: readonly T[]; readonly cursor?: string | undefined };

/** Asks for pages until there are enough items, or for all of them. A page may be empty and still not be the last. */
export async function collect<T>(
  fetchPage: (page: PageOptions) => Promise<Page<T>>,
  { all = false, limit, cursor: start }: PagingOptions,
): Promise<Page<T>> {
  const wanted = all ? Infinity : limit;
  const items: T[] = [];
  let cursor = start;
  do {
    const page = await fetchPage({ limit: Math.min(operatorLimits.pageItems.most, wanted - items.length), cursor });
    items.push(...page.items);
    cursor = page.cursor;
  } while (cursor !== undefined && items.length < wanted);
  return cursor === undefined ? { items } : { items, cursor };
}

/** The line under a list that is not at its end. */
export function moreNote(cursor: string | undefined): string | undefined {
  return cursor === undefined ? undefined : `There is more: --cursor ${cursor}, or --all.`;
}

function parseLimit(text: string): number {
  if (!/^[1-9]\d{0,4}$/u.test(text)) throw new InvalidArgumentError("It is a whole number from 1.");
  return Number(text);
}
