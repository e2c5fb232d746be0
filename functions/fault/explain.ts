import type { ProblemCode } from "@sealpost/protocol/messages/problems.ts";

import { type FaultCode, faultCode } from "./fault.ts";
import type { Fields } from "./log.ts";

/** What a fault means for whoever asked, and for the log. */
export type Explained = {
  readonly code: "throttled" | "unavailable";
  readonly fields: Fields;
};

const problems = {
  throttled: "throttled",
  unavailable: "unavailable",
  "not-set-up": "unavailable",
} as const satisfies { readonly [C in FaultCode]: ProblemCode };

/**
 * Explains whatever was thrown, for every function alike. A fault's message is ours and names no value; of any other exception only its name and
 * where it came from are told, since its message may hold what was being worked on.
 */
export function explain(error: unknown): Explained {
  const fault = faultCode(error);
  if (fault === undefined) return { code: "unavailable", fields: { outcome: "fault", ...foreign(error) } };
  const { message = "", cause } = error instanceof Error ? error : {};
  return {
    code: problems[fault],
    fields: {
      outcome: "fault",
      fault,
      reason: message,
      ...(cause instanceof Error ? { cause: cause.name } : {}),
    },
  };
}

function foreign(error: unknown): Fields {
  if (!(error instanceof Error)) return { reason: typeof error };
  const place = error.stack?.split("\n").find((line) => line.startsWith("    at "));
  return { reason: error.name, ...(place === undefined ? {} : { place: place.trim() }) };
}
