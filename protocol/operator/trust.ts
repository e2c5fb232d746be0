import * as z from "zod/mini";

import { coSignedSchema } from "../documents/co-signed.ts";
import type { Act } from "./act.ts";

export const trustActs = {
  showTrust: {
    method: "GET",
    path: "/operator/trust",
    duties: ["root", "reading"],
    reply: z.object({ version: z.int(), chain: z.array(coSignedSchema) }),
  },
  publishTrust: {
    method: "POST",
    path: "/operator/trust",
    duties: ["root"],
    request: z.strictObject({ document: coSignedSchema }),
    reply: z.object({ version: z.int() }),
  },
} as const satisfies Record<string, Act>;
