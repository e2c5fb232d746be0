import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { repository } from "../../local/repository.ts";
import { type Custody, estimate, iotCoreDollarsPerMillion } from "../../operator/cost/estimate.ts";
import { assumed, priceList } from "../../operator/cost/rates.ts";
import { barChart } from "./chart.ts";
import { table, withSection } from "./table.ts";

const documentPath = join(repository, "docs/cost.md");
const chartPath = join(repository, "docs/cost.svg");
const readmePath = join(repository, "README.md");
const markers = ["<!-- cost: made by `npm run bench -- --docs` -->", "<!-- /cost -->"] as const;

/** A file of the documents, and what it must say. */
export type Generated = { readonly path: string; readonly text: string };

/** What the documents say of cost, from the estimate of `sealpost cost`. */
export async function costDocuments(): Promise<readonly Generated[]> {
  return [
    { path: documentPath, text: costDocument() },
    { path: chartPath, text: costChart() },
    { path: readmePath, text: withSection(await readFile(readmePath, "utf8"), markers, custodyTable()) },
  ];
}

const traffic = { devices: 1_000_000, messagesPerDay: 24, events: false } as const;
const rows: readonly (readonly [name: string, custody: Custody, batch: number])[] = [
  ["custody `kms`", "kms", 1],
  ["signing in epochs", "signing-epoch", 1],
  ["custody `epoch`", "epoch", 1],
  ["custody `epoch`, batches of 50", "epoch", 50],
];

const dollars = (value: number) => `$${value.toFixed(2)}`;

function custodyTable(): string {
  return table(
    ["", "a million messages", "first quota, at 24 messages a day"],
    rows.map(([name, custody, batch]) => {
      const { dollarsPerMillionMessages, firstQuota } = estimate({ ...traffic, custody, batch });
      const quota = `${firstQuota.name}, ${firstQuota.devices.toLocaleString("en-US")} devices`;
      return [name, dollars(dollarsPerMillionMessages), quota];
    }),
  );
}

function serviceTable(): string {
  const estimates = rows.map(([, custody, batch]) => estimate({ ...traffic, custody, batch }));
  const names = Object.keys(estimates[0]?.services ?? {}).filter((name) => name !== "EventBridge");
  const cells = (name: string) => estimates.map(({ services }) => dollars(services[name] ?? 0));
  return table(
    ["a month", ...rows.map(([name]) => name)],
    [...names.map((name) => [name, ...cells(name)]), ["together", ...estimates.map((e) => dollars(e.dollarsPerMonth))]],
  );
}

function iotTable(): string {
  const perMillion = (custody: Custody, batch: number, messagesPerDay: number, events: boolean) =>
    dollars(estimate({ ...traffic, messagesPerDay, events, custody, batch }).dollarsPerMillionMessages);
  const lines = [1, 24, 96, 288, 1_440].flatMap((perDay) =>
    [false, true].map((events) => [
      `${perDay.toLocaleString("en-US")}${events ? ", readings" : ""}`,
      perMillion("kms", 1, perDay, events),
      perMillion("epoch", 1, perDay, events),
      perMillion("epoch", 50, perDay, events),
      dollars(iotCoreDollarsPerMillion(perDay, "made anew", events)),
      dollars(iotCoreDollarsPerMillion(perDay, "kept open", events)),
    ]),
  );
  const head = [
    "messages a day",
    "`kms`",
    "`epoch`",
    "`epoch`, batches of 50",
    "IoT Core, made anew",
    "IoT Core, kept open",
  ];
  return table(head, lines);
}

function costChart(): string {
  const { messagesPerDay, events } = traffic;
  const ours = rows.map(([name, custody, batch]) => ({
    label: `Sealpost, ${name.replaceAll("`", "")}`,
    value: estimate({ ...traffic, custody, batch }).dollarsPerMillionMessages,
    isOurs: true,
  }));
  const theirs = (["made anew", "kept open"] as const).map((connection) => ({
    label: `IoT Core, connection ${connection}`,
    value: iotCoreDollarsPerMillion(messagesPerDay, connection, events),
    isOurs: false,
  }));
  return barChart({
    title: `Dollars for a million exchanges, at ${messagesPerDay} a day`,
    description: "List prices; docs/cost.md has the figures, and where IoT Core is cheaper.",
    bars: [...ours, ...theirs].map((bar) => ({ ...bar, shown: dollars(bar.value) })),
  });
}

function priceTable(): string {
  return table(
    ["price", "dollars", "for", "source", "known", "confirmed"],
    priceList.map(({ name, dollars, per, source, known, confirmed, note }) => [
      `\`${name}\``,
      String(dollars),
      per.toLocaleString("en-US"),
      source,
      known,
      `${confirmed ? "yes" : "not confirmed"}${note === undefined ? "" : `; ${note}`}`,
    ]),
  );
}

function costDocument(): string {
  const { milliseconds } = assumed;
  return `# Cost

Made by \`npm run bench -- --docs\`; a test compares it. Calls and units are counted (\`bench/exact.json\`), prices are list prices of us-east-1 without free tiers
and volume steps, and nothing is from a bill. Assumed are the time of a message in its function (${milliseconds.message} ms, and ${milliseconds.decrypt} and ${milliseconds.sign} ms more for a
call of KMS that decrypts and that signs), what is logged, and the head of an HTTP answer. Units of secondary indexes are left out; routine messages
write none. \`npx sealpost cost\` computes other fleets.

## A million messages

Each is a firmware check that finds nothing newer.

${custodyTable()}

## A fleet's month

A million devices that each send 24 messages a day.

${serviceTable()}

## Beside AWS IoT Core

Dollars for a million exchanges: a message to the service and one back. With \`readings\` each is also published: on an EventBridge bus here, by one rule
and one action there. A connection that is made anew pays for CONNECT and SUBSCRIBE as messages and for one minute; one that is kept open pays for every
minute of the day. IoT Core meters a message for each 5 KB.

![Bars of the dollars for a million exchanges at 24 a day](cost.svg)

${iotTable()}

Where we lose:

- Custody \`kms\` costs several times what IoT Core does, unless a connection is kept open for very few messages: each message pays for a signature in KMS.
- A device that keeps its connection open and sends 96 messages a day or more is cheaper on IoT Core than under custody \`epoch\` without batches.
- Readings under custody \`epoch\` without batches cost no less than on IoT Core with a connection made anew for each.
- In batches we are cheaper, except for readings of a device that is always connected and sends one a minute; and a batch needs a relay, whose cost is not in it.
- Readings that need no answer go to IoT Core by Basic Ingest, which costs no message at all, only the rule and its action.
- An EventBridge event costs more than a rule with an action.

What IoT Core cannot do for its price: messages that a relay carries without being trusted, and devices that hold no connection to AWS.

## Prices

"Confirmed" means that the page named states the price. Compare the others with the pages of AWS before you decide by them.

${priceTable()}
`;
}
