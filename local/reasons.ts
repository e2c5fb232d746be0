import { styleText } from "node:util";

import { explainReason } from "@sealpost/protocol/messages/reasons.ts";
import { z } from "zod/mini";

/** What a function's line says, as far as it is of interest here; other members are passed over. */
const lineSchema = z.looseObject({
  function: z.string(),
  outcome: z.string(),
  reason: z.optional(z.string()),
  detail: z.optional(z.string()),
  field: z.optional(z.string()),
  fault: z.optional(z.string()),
  operation: z.optional(z.string()),
  seq: z.optional(z.number()),
  deviceId: z.optional(z.string()),
});

/**
 * One readable line for each request that was refused, not accepted or failed: what, which check, what it compared, what to do.
 * @param line a line of a function's log
 * @returns `undefined` for what went well, and for what is no such line
 */
export function tellReason(line: string): string | undefined {
  const parsed = lineSchema.safeParse(parseJson(line));
  if (!parsed.success || parsed.data.outcome === "ok") return undefined;
  const { function: name, outcome, reason, detail = parsed.data.field, fault, deviceId, seq, operation } = parsed.data;
  const check = [reason, detail].filter((word) => word !== undefined).join(", ");
  const about = [
    operation,
    ...(seq === undefined ? [] : [`seq ${seq}`]),
    ...(deviceId === undefined ? [] : [`device ${deviceId}`]),
  ].filter((word) => word !== undefined);
  const what = `${name}: ${styleText(outcome === "fault" ? "red" : "yellow", outcome)}`;
  const explained = outcome === "fault" ? undefined : explainReason({ outcome, reason, detail });
  return [
    about.length === 0 ? what : `${what} (${about.join(", ")})`,
    ...(check === "" ? [] : [`check: ${check}`]),
    ...(fault === undefined ? [] : [`fault: ${fault}`]),
    ...(explained ? [`compared: ${explained.compared}`, styleText("bold", explained.remedy)] : []),
  ].join(" · ");
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
