import type { AuditEntry } from "@sealpost/protocol/operator/audit.ts";

import { journalRecordSchema, parseRecord } from "../store/records.ts";
import type { Answer, Call } from "./act.ts";
import { invalid } from "./call.ts";
import type { OperatorPorts } from "./ports.ts";
import { listPartitions } from "./shards.ts";

export async function listAudit({ query }: Call<"listAudit">, { store }: OperatorPorts): Promise<Answer<"listAudit">> {
  const { target, day, ...paging } = query;
  if ((target === undefined) === (day === undefined))
    return invalid("target", "Either target or day is given, and not both.");
  const partition =
    target === undefined
      ? ({ index: "byDay", partition: ["day", day ?? ""] } as const)
      : ({ partition: ["target", target] } as const);
  const page = await listPartitions(store, [{ table: "journal", descending: true, ...partition }], paging);
  if ("problem" in page) return page;
  const { items, ...rest } = page.value;
  const entries = items.map((item): AuditEntry => {
    const { day: _, ...entry } = parseRecord(journalRecordSchema, item);
    return entry;
  });
  return { reply: { entries, ...rest } };
}
