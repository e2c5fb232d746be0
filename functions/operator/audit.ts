import type { AuditEntry } from "@sealpost/protocol/operator/api.ts";
import * as z from "zod/mini";

import { journalRecordSchema, parseRecord } from "../store/records.ts";
import type { Answer } from "./act.ts";
import { type Call, invalid, pageQuery, parseQuery } from "./call.ts";
import type { OperatorPorts } from "./ports.ts";
import { listPartitions } from "./shards.ts";

const listQuerySchema = z.strictObject({
  ...pageQuery,
  /** `device#<id>`, `credential#<id>`, `release#<model>#<hardware>`, `trust`. */
  target: z.optional(z.string().check(z.minLength(1), z.maxLength(256))),
  /** UTC. */
  day: z.optional(z.iso.date()),
});

/** What happened to one target, or on one day, newest first. */
export async function listAudit(call: Call, ports: OperatorPorts): Promise<Answer> {
  const query = parseQuery(call, listQuerySchema);
  if ("problem" in query) return query;
  const { target, day, ...paging } = query.value;
  if ((target === undefined) === (day === undefined))
    return invalid("target", "Either target or day is given, and not both.");
  const partition =
    target === undefined
      ? ({ index: "byDay", partition: ["day", day ?? ""] } as const)
      : ({ partition: ["target", target] } as const);
  const page = await listPartitions(ports.store, [{ table: "journal", descending: true, ...partition }], paging);
  if ("problem" in page) return page;
  const { items, ...rest } = page.value;
  const entries = items.map((item): AuditEntry => {
    const { day: _, ...entry } = parseRecord(journalRecordSchema, item);
    return entry;
  });
  return { reply: { entries, ...rest } };
}
