import { isOperation } from "@sealpost/protocol/exchanges/exchanges.ts";
import { type Refusal, refusalBody } from "@sealpost/protocol/messages/refusals.ts";
import type { ReplyClaims } from "@sealpost/protocol/messages/reply.ts";

import type { ServedExchanges } from "../exchanges/exchange.ts";
import type { Step } from "./apply.ts";
import type { VerifiedRequest } from "./open.ts";

/** What the reply says. */
export type Answer = Pick<ReplyClaims, "status" | "body">;

/** What a step comes to in words: the same for the first answer and for every repeat. */
export async function render(
  exchanges: ServedExchanges,
  { message }: VerifiedRequest,
  { said, device }: Pick<Step, "said" | "device">,
): Promise<Answer> {
  if ("refusal" in said) return refuse(said.refusal);
  const { status, result } = said.outcome;
  if (status !== "ok") {
    const field = result?.["field"];
    return refuse({ code: status, ...(typeof field === "string" ? { field } : {}) });
  }
  // Freed once the device acknowledged it: a repeat that the relay kept back gets the status and no content.
  const operation = message.kind === "claims" ? message.claims.operation : "";
  const body = result && isOperation(operation) ? await exchanges[operation].reply(result, device) : {};
  return { status: "ok", body: { ...body } };
}

export function refuse(refusal: Refusal): Answer {
  return { status: refusal.code, body: refusalBody(refusal) };
}
