import * as z from "zod/mini";

import { type Act, seconds } from "./act.ts";
import { nextCursor, pageQuery } from "./paging.ts";

const id = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
const part = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}";

/** What a journal entry is about: `trust`, `device#<id>`, `credential#<id>`, `release#<model>#<hardware>`. */
export const auditTargetSchema = z
  .string()
  .check(z.regex(new RegExp(`^(?:trust|(?:device|credential)#${id}|release#${part}#${part})$`)));

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
      target: z.optional(auditTargetSchema),
      /** UTC. */
      day: z.optional(z.iso.date()),
    }),
    reply: z.object({ entries: z.array(auditEntrySchema), cursor: nextCursor }),
  },
} as const satisfies Record<string, Act>;
