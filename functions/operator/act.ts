import { setTimeout as delay } from "node:timers/promises";

import { type Problem, problem } from "@sealpost/protocol/messages/problems.ts";

import type { Put, Store } from "../store/port.ts";

/** What a decision comes to: the answer and the changes that make it true, or why not. */
export type Decision = { readonly reply: object; readonly puts: readonly Put[] } | { readonly problem: Problem };

/** What an operator is told. */
export type Answer = { readonly reply: object } | { readonly problem: Problem };

/** Who acts, when, and what tells the journal entries of one second apart. */
export type Act = { readonly actor: string; readonly now: number; readonly unique: string };

/** Races are with other operators and with messages of one device; none of them lasts. */
const attempts = 8;
const longestPauseMs = 400;

/** Reads, decides and writes; a lost race decides again by what is stored then. */
export async function commit(store: Pick<Store, "write">, decide: () => Promise<Decision>): Promise<Answer> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    if (attempt > 0) await delay(Math.random() * Math.min(5 * 2 ** attempt, longestPauseMs));
    const decision = await decide();
    if ("problem" in decision) return decision;
    if (await store.write(decision.puts)) return { reply: decision.reply };
  }
  return { problem: problem("unavailable", { detail: "Other writes were faster every time; try again." }) };
}
