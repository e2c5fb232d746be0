import * as z from "zod/mini";

import { type Act, seconds } from "./act.ts";
import { nextCursor, pageQuery } from "./paging.ts";

export const auditEntrySchema = z.object({
  /** `device#<id>`, `credential#<id>`, `release#<model>#<hardware>`, `trust`. */
  target: z.string(),
  at: z.string(),
  time: seconds,
  action: z.string(),
  /** IAM ARN of an operator, `device#<id>` or `credential#<id>`. */
  actor: z.string(),
  detail: z.record(z.string(), z.unknown()),
});
export type AuditEntry = z.infer<typeof auditEntrySchema>;

export const auditActs = {
  /** What happened to one target, or on one day, newest first. */
  listAudit: {
    method: "GET",
    path: "/operator/audit",
    duties: ["reading"],
    query: z.strictObject({
      ...pageQuery,
      target: z.optional(z.string().check(z.minLength(1), z.maxLength(256))),
      /** UTC. */
      day: z.optional(z.iso.date()),
    }),
    reply: z.object({ entries: z.array(auditEntrySchema), cursor: nextCursor }),
  },
} as const satisfies Record<string, Act>;
