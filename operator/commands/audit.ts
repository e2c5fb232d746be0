import { auditTargetSchema } from "@sealpost/protocol/operator/audit.ts";
import { type Command, Option } from "commander";

import { auditRow, idsOf } from "../audit-rows.ts";
import { OperatorFault } from "../fault.ts";
import { examples } from "../help.ts";
import { dayOption, fitting, idOption } from "../options.ts";
import { type PagingOptions, addPaging, collect, moreNote } from "../paging.ts";
import type { Service } from "../service.ts";
import { openSession } from "../session.ts";
import { wholeCredentialId, wholeDeviceId } from "../short-ids.ts";

type ListOptions = PagingOptions & {
  readonly device?: string;
  readonly credential?: string;
  readonly target?: string;
  readonly day?: string;
};

export function addAuditCommands(program: Command): void {
  const audit = program.command("audit").description("who did what and when");
  addPaging(audit.command("list").description("list what happened, newest first, on one day or to one thing"))
    .addOption(new Option("--day <day>", "in UTC (default: today)").argParser(dayOption))
    .addOption(new Option("--device <device id>", "to one device").argParser(idOption))
    .addOption(new Option("--credential <credential id>", "to one credential").argParser(idOption))
    .addOption(
      new Option("--target <target>", "to trust, device#<id>, credential#<id> or release#<model>#<hardware>").argParser(
        fitting(auditTargetSchema, "It is trust, device#<id>, credential#<id> or release#<model>#<hardware>."),
      ),
    )
    .addHelpText(
      "after",
      examples("audit list", "audit list --day 2026-11-23 --all", "audit list --target release#meter-1#r1"),
    )
    .action(list);
}

async function list(options: ListOptions, command: Command): Promise<void> {
  const { service, output } = openSession(command);
  const of = await subject(options, service);
  const { items, cursor } = await collect(async (page) => {
    const { entries, ...rest } = await service.ask("listAudit", { query: { ...page, ...of } });
    return { items: entries, ...rest };
  }, options);
  // Everything that there ever was has entries, so this is a slip of the pen.
  if (items.length === 0 && "target" in of && options.cursor === undefined) {
    throw new OperatorFault(
      "refused",
      `Nothing is known of ${of.target}: nothing ever happened to it.`,
      "compare it with `sealpost device list`, `sealpost credential list` and `sealpost release list`",
    );
  }
  const id = output.ids(idsOf(items));
  const rows = items.map((entry) => auditRow(entry, id));
  await output.result(
    { entries: items, ...(cursor === undefined ? {} : { cursor }) },
    rows.length > 0 ? output.table(["TIME", "ACTION", "TARGET", "ACTOR", "DETAIL"], rows) : "Nothing happened.",
  );
  const more = moreNote(cursor);
  if (more) output.note(more);
}

async function subject(
  { device, credential, target, day }: ListOptions,
  service: Service,
): Promise<{ readonly target: string } | { readonly day: string }> {
  const given = [device, credential, target, day].filter((value) => value !== undefined);
  if (given.length > 1) {
    throw new OperatorFault(
      "usage",
      "An audit list is of one day or of one target.",
      "give one of --day, --device, --credential and --target",
    );
  }
  if (device !== undefined) return { target: `device#${await wholeDeviceId(service, device)}` };
  if (credential !== undefined) return { target: `credential#${await wholeCredentialId(service, credential)}` };
  return target === undefined ? { day: day ?? new Date().toISOString().slice(0, 10) } : { target };
}
