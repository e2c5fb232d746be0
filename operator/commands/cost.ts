import { type Command, Option } from "commander";

import { type Custody, custodies, estimate } from "../cost/estimate.ts";
import { notConfirmed } from "../cost/rates.ts";
import { examples } from "../help.ts";
import { countOption } from "../options.ts";
import { openOutput } from "../output.ts";
import type { GlobalOptions } from "../session.ts";

type CostOptions = {
  readonly devices: number;
  readonly messagesPerDay: number;
  readonly custody: Custody;
  readonly batch: number;
  readonly events?: boolean;
};

export function addCostCommand(program: Command): void {
  program
    .command("cost")
    .description("say what a fleet would cost a month, from counted calls and list prices; asks nothing of AWS")
    .addOption(new Option("--devices <count>", "how many").argParser(countOption).makeOptionMandatory())
    .addOption(new Option("--messages-per-day <count>", "of each device").argParser(countOption).default(24))
    .addOption(new Option("--custody <custody>", "which keys are epoch keys").choices(custodies).default("kms"))
    .addOption(
      new Option("--batch <count>", "messages of a request, through a relay").argParser(countOption).default(1),
    )
    .option("--events", "every message is a reading, published on an EventBridge bus")
    .addHelpText("after", examples("cost --devices 1000000 --messages-per-day 24 --custody epoch --batch 50"))
    .action(cost);
}

async function cost({ events = false, ...traffic }: CostOptions, command: Command): Promise<void> {
  const output = openOutput({ json: command.optsWithGlobals<GlobalOptions>().json ?? false });
  const estimated = estimate({ ...traffic, events });
  const dollars = (value: number) => `$${value.toFixed(2)}`;
  const { firstQuota, services, dollarsPerMonth, dollarsPerMillionMessages } = estimated;
  const rows = Object.entries(services).map(([name, value]) => [name, dollars(value)]);
  const text = [
    output.table(["SERVICE", "A MONTH"], [...rows, ["together", dollars(dollarsPerMonth)]]),
    "",
    `${dollars(dollarsPerMillionMessages)} a million messages.`,
    `The quota that is reached first: ${firstQuota.name}, at ${firstQuota.devices.toLocaleString("en-US")} devices.`,
    "List prices of us-east-1, without free tiers; operator/cost/prices.json says where each was seen and when.",
    `Not confirmed: ${notConfirmed.join(", ")}; the quotas.`,
    "Calls and units are counted: those of a firmware check, or with --events of a reading. How long functions wait is assumed.",
    "Unwrapping an epoch's keys, replays, starts and the publisher of events are left out. Nothing is from a bill.",
  ];
  await output.result({ ...estimated, notConfirmed }, text.join("\n"));
}
