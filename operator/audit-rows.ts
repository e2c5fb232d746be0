import type { AuditEntry } from "@sealpost/protocol/operator/audit.ts";

import { isoTime } from "./duration.ts";

const idInName = /^(device|credential)#([0-9a-f-]{36})$/u;

/** The ids that an audit list shows. */
export function idsOf(entries: readonly AuditEntry[]): string[] {
  return entries.flatMap(({ target, actor, detail }) =>
    [target, actor, ...Object.values(detail)].flatMap((text) =>
      typeof text === "string" ? [idInName.exec(text)?.[2] ?? text] : [],
    ),
  );
}

/** `TIME ACTION TARGET ACTOR DETAIL` of one entry. */
export function auditRow({ time, action, target, actor, detail }: AuditEntry, id: (id: string) => string): string[] {
  const named = (name: string) => name.replace(idInName, (_, kind: string, uuid: string) => `${kind}#${id(uuid)}`);
  return [isoTime(time), action, named(target), actor === target ? "itself" : named(actor), detailText(detail, id)];
}

/** What a line can tell; keys, certificates and documents are in `--json`. */
export function detailText(detail: AuditEntry["detail"], id: (id: string) => string): string {
  const told = Object.entries(detail).flatMap(([name, value]) => {
    const text = valueText(value);
    return text === undefined ? [] : [`${name}=${id(text)}`];
  });
  return told.join(" ") || "-";
}

const longest = 64;

function valueText(value: unknown): string | undefined {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (typeof value === "string") return value.length <= longest ? value : undefined;
  if (Array.isArray(value) && value.every((item) => typeof item === "string" && item.length <= longest))
    return value.join(",");
  return undefined;
}
