import { isOperation } from "@sealpost/protocol/exchanges/exchanges.ts";
import { type Refusal, refusalBody } from "@sealpost/protocol/messages/refusals.ts";
import type { ReplyClaims } from "@sealpost/protocol/messages/reply.ts";

import type { ServedExchanges } from "../exchanges/exchange.ts";
import { type Device, isAwaited } from "../registry/device.ts";
import type { Step } from "./apply.ts";
import type { VerifiedRequest } from "./open.ts";

/** What the reply says. */
export type Answer = Pick<ReplyClaims, "status" | "body" | "waiting">;

/** What a step comes to in words: the same for the first answer and for every repeat. */
export async function render(
  exchanges: ServedExchanges,
  { message }: VerifiedRequest,
  { said, device }: Pick<Step, "said" | "device">,
): Promise<Answer> {
  if ("refusal" in said) return refuse(said.refusal, device);
  const { status, result } = said.outcome;
  if (status !== "ok") {
    const field = result?.["field"];
    return refuse({ code: status, ...(typeof field === "string" ? { field } : {}) }, device);
  }
  // Freed once the device acknowledged it: a repeat that the relay kept back gets the status and no content.
  const operation = message.kind === "claims" ? message.claims.operation : "";
  const body = result && isOperation(operation) ? await exchanges[operation].reply(result, device) : {};
  return { status: "ok", body: { ...body }, ...waiting(device) };
}

export function refuse(refusal: Refusal, device: Device): Answer {
  return { status: refusal.code, body: refusalBody(refusal), ...waiting(device) };
}

/** In every reply, whatever it says. */
function waiting(device: Device): Pick<Answer, "waiting"> {
  return isAwaited(device) ? { waiting: true } : {};
}
