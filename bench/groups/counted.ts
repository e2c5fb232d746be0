import { type Custody, estimate } from "../../operator/cost/estimate.ts";
import { type MessageCounts, countMessages } from "../exact/messages.ts";
import { type Aim, type Row, toRow } from "../row.ts";

const group = "counted";
const traffic = { devices: 1_000_000, messagesPerDay: 24, events: false } as const;
const most = (bound: number): Aim => ({ of: "ours", most: bound });

const prices: readonly (readonly [name: string, custody: Custody, batch: number, aim?: Aim])[] = [
  ["custody kms", "kms", 1],
  ["signing in epochs", "signing-epoch", 1, most(6.9)],
  ["custody epoch", "epoch", 1, most(3.6)],
  ["custody epoch, batches of 50", "epoch", 50, most(1.6)],
];
const kinds: readonly (keyof MessageCounts)[] = [
  "check, nothing published",
  "readings, 1 record",
  "commands.next, none waits",
];

/** What is the same on every machine and has an aim: dollars of the estimate, units of routine messages alone. */
export async function counted(): Promise<Row[]> {
  const counts = await countMessages();
  return [
    ...prices.map(([name, custody, batch, aim]) =>
      toRow({
        group,
        name: `a million messages, ${name}`,
        unit: "$",
        ours: estimate({ ...traffic, custody, batch }).dollarsPerMillionMessages,
        aim,
      }),
    ),
    ...kinds.flatMap((kind) => {
      const { readUnits, writeUnits } = counts[kind].single;
      return [
        toRow({ group, name: kind, unit: "read units", ours: readUnits, aim: most(3) }),
        toRow({ group, name: kind, unit: "write units", ours: writeUnits, aim: most(1) }),
      ];
    }),
  ];
}
