import { problem } from "@sealpost/protocol/messages/problems.ts";
import type { CatchUp } from "@sealpost/protocol/documents/trust.ts";

import { type HttpAnswer, jsonAnswer, problemAnswer } from "../lambda/http.ts";
import { explain } from "../fault/explain.ts";
import { logInvocation } from "../fault/log.ts";

/** `GET /keys`: the signed key set and trust chain, cacheable by anyone, since both prove themselves. */
export function makeHandler(readCatchUp: () => Promise<CatchUp | undefined>) {
  return async (): Promise<HttpAnswer> => {
    try {
      const catchUp = await readCatchUp();
      logInvocation({ function: "key-set-read", outcome: catchUp ? "ok" : "not-trusted-yet" });
      if (!catchUp) return problemAnswer(problem("not-trusted-yet"));
      return jsonAnswer(catchUp, { "cache-control": "public, max-age=60" });
    } catch (error) {
      const { code, fields } = explain(error);
      logInvocation({ function: "key-set-read", ...fields });
      return problemAnswer(problem(code));
    }
  };
}
