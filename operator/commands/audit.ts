import { type Command, Option } from "commander";

import { isoTime } from "../duration.ts";
import { OperatorFault } from "../fault.ts";
import { examples } from "../help.ts";
import { dayOption, uuidOption } from "../options.ts";
import { type PagingOptions, addPaging, collect, moreNote } from "../paging.ts";
import { openSession } from "../session.ts";
import { table } from "../table.ts";

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
    .addOption(new Option("--device <device id>", "to one device").argParser(uuidOption))
    .addOption(new Option("--credential <credential id>", "to one credential").argParser(uuidOption))
    .addOption(new Option("--target <target>", "to a journal target: trust, release#<model>#<hardware>, …"))
    .addHelpText(
      "after",
      examples("audit list", "audit list --day 2026-11-23 --all", "audit list --target release#meter-1#r1"),
    )
    .action(list);
}

async function list(options: ListOptions, command: Command): Promise<void> {
  const of = subject(options);
  const { service, output } = openSession(command);
  const { items, cursor } = await collect(async (page) => {
    const { entries, ...rest } = await service.ask("listAudit", { query: { ...page, ...of } });
    return { items: entries, ...rest };
  }, options);
  const rows = items.map(({ time, action, target, actor }) => [isoTime(time), action, target, actor]);
  const about = "day" in of ? `on ${of.day} (UTC)` : `to ${of.target}`;
  await output.result(
    { entries: items, ...(cursor === undefined ? {} : { cursor }) },
    rows.length > 0 ? table(["TIME", "ACTION", "TARGET", "ACTOR"], rows) : `Nothing happened ${about}.`,
  );
  const more = moreNote(cursor);
  if (more) output.note(more);
}

function subject({
  device,
  credential,
  target,
  day,
}: ListOptions): { readonly target: string } | { readonly day: string } {
  const targets = [
    ...(device === undefined ? [] : [`device#${device}`]),
    ...(credential === undefined ? [] : [`credential#${credential}`]),
    ...(target === undefined ? [] : [target]),
  ];
  const [only, ...others] = targets;
  if (others.length > 0 || (only !== undefined && day !== undefined)) {
    throw new OperatorFault(
      "usage",
      "An audit list is of one day or of one target.",
      "give one of --day, --device, --credential and --target",
    );
  }
  return only === undefined ? { day: day ?? new Date().toISOString().slice(0, 10) } : { target: only };
}
