import { setTimeout as delay } from "node:timers/promises";

import { type Problem, problem } from "@sealpost/protocol/messages/problems.ts";
import type { ActName, PathOf, QueryOf, ReplyOf, RequestOf } from "@sealpost/protocol/operator/acts.ts";

import type { Put, Store } from "../store/port.ts";
import type { OperatorPorts } from "./ports.ts";

/** By whom and when, and what tells the journal entries of one second apart. */
export type Stamp = { readonly actor: string; readonly now: number; readonly unique: string };

/** One act as it was asked for: every part fits the act's row. */
export type Call<Name extends ActName> = Stamp & {
  readonly path: PathOf<Name>;
  readonly query: QueryOf<Name>;
  readonly request: RequestOf<Name>;
};

/** What an operator is told. */
export type Answer<Name extends ActName> = { readonly reply: ReplyOf<Name> } | { readonly problem: Problem };

/** What a decision comes to: the answer and the changes that make it true, or why not. */
export type Decision<Name extends ActName> =
  | { readonly reply: ReplyOf<Name>; readonly puts: readonly Put[] }
  | { readonly problem: Problem };

export type Decide<Name extends ActName> = (call: Call<Name>, ports: OperatorPorts) => Promise<Answer<Name>>;

/** Races are with other operators and with messages of one device; none of them lasts. */
const attempts = 8;
const longestPauseMs = 400;

/** Reads, decides and writes; a lost race decides again by what is stored then. */
export async function commit<Name extends ActName>(
  store: Pick<Store, "write">,
  decide: () => Promise<Decision<Name>>,
): Promise<Answer<Name>> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    if (attempt > 0) await delay(Math.random() * Math.min(5 * 2 ** attempt, longestPauseMs));
    const decision = await decide();
    if ("problem" in decision) return decision;
    if (await store.write(decision.puts)) return { reply: decision.reply };
  }
  return { problem: problem("unavailable", { detail: "Other writes were faster every time; try again." }) };
}
