import { pageItems } from "@sealpost/protocol/operator/paging.ts";
import { type Command, Option } from "commander";

import { OperatorFault } from "../fault.ts";
import { examples } from "../help.ts";
import { dayOption } from "../options.ts";
import { collect } from "../paging.ts";
import { type Answer, openPublisher } from "../publisher.ts";
import { type Session, openSession } from "../session.ts";

type DryRun = { readonly dryRun?: boolean };
type ReplayOptions = DryRun & { readonly since: string; readonly until?: string };

const dayMilliseconds = 86_400_000;
/** What a year has and a bit: the journal is asked day by day. */
const mostDays = 400;

/** Has the publisher publish again: subscribers know a copy by its id. */
export function addRepublishCommands(events: Command): void {
  events
    .command("redrive")
    .description("publish what is parked, once its target takes it again; what still cannot be stays parked")
    .option("--dry-run", "say how much is parked, and publish nothing")
    .addHelpText("after", examples("events redrive --dry-run", "events redrive", "events redrive --json"))
    .action(redrive);
  events
    .command("replay")
    .description("publish the journal's events of whole days again, day by day; readings cannot be replayed")
    .requiredOption("--since <day>", "the first day, in UTC", dayOption)
    .addOption(new Option("--until <day>", "the last day, in UTC (default: today)").argParser(dayOption))
    .option("--dry-run", "say how many events each day has, and publish nothing")
    .addHelpText(
      "after",
      examples(
        "events replay --since 2026-11-25 --dry-run",
        "events replay --since 2026-11-25",
        "events replay --since 2026-11-01 --until 2026-11-03 --json",
      ),
    )
    .action(replay);
}

async function redrive({ dryRun = false }: DryRun, command: Command): Promise<void> {
  const { stack, output } = openSession(command);
  const publisher = openPublisher(stack);
  try {
    if (dryRun) {
      const parked = await publisher.countParked();
      await output.result({ dryRun, parked }, `About ${parked} parked. Nothing was published.`);
      return;
    }
    const all = { published: 0, parked: 0 };
    // One call goes on for half a minute, and what it could not publish is hidden from the next.
    for (let answer: Answer | undefined; answer === undefined || answer.published > 0;) {
      answer = await publisher.ask({ redrive: true });
      all.published += answer.published;
      all.parked += answer.parked;
    }
    await output.result(all, `${all.published} published, ${all.parked} parked still.`);
    refuseParked(all.parked);
  } finally {
    publisher.close();
  }
}

async function replay({ since, until, dryRun = false }: ReplayOptions, command: Command): Promise<void> {
  const days = daysOf(since, until ?? new Date().toISOString().slice(0, 10));
  const session = openSession(command);
  const publisher = openPublisher(session.stack);
  let parked = 0;
  try {
    for (const day of days) {
      if (dryRun) {
        const events = await countEntries(session, day);
        await session.output.line({ dryRun, day, events }, `${day}  ${events} to publish`);
        continue;
      }
      const all = { day, published: 0, parked: 0 };
      let cursor: string | undefined;
      do {
        const answer = await publisher.ask({ replay: { day, ...(cursor === undefined ? {} : { cursor }) } });
        all.published += answer.published;
        all.parked += answer.parked;
        ({ cursor } = answer);
      } while (cursor !== undefined);
      parked += all.parked;
      await session.output.line(all, `${day}  ${all.published} published, ${all.parked} parked`);
    }
  } finally {
    publisher.close();
  }
  refuseParked(parked);
}

function daysOf(since: string, until: string): string[] {
  const [first, last] = [Date.parse(since), Date.parse(until)];
  const count = (last - first) / dayMilliseconds + 1;
  if (count < 1) throw new OperatorFault("usage", `${until} is before ${since}.`, "name the first day with --since");
  if (count > mostDays) {
    throw new OperatorFault("usage", `That is ${count} days, and ${mostDays} at most.`, "name the last with --until");
  }
  return Array.from({ length: count }, (_, at) => new Date(first + at * dayMilliseconds).toISOString().slice(0, 10));
}

async function countEntries({ service }: Session, day: string): Promise<number> {
  const { items } = await collect(
    async (page) => {
      const { entries, ...rest } = await service.ask("listAudit", { query: { ...page, day } });
      return { items: entries, ...rest };
    },
    { all: true, limit: pageItems.most },
  );
  return items.length;
}

function refuseParked(parked: number): void {
  if (parked === 0) return;
  throw new OperatorFault(
    "incomplete",
    `${parked} could not be published and are parked.`,
    "mend the target (the publisher's log names its errors), then run `sealpost events redrive`",
  );
}
