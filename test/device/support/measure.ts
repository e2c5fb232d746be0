import { setTimeout } from "node:timers/promises";

import { fileReadingSpool } from "../../../device/adapters/file-reading-spool.ts";
import { spoolReadings } from "../../../device/readings/spooling.ts";

/** A process that measures so often, with a pause between, and hands in each value by itself: 0, 1, 2, … */
const [folder = "", count = "0", pauseMilliseconds = "0"] = process.argv.slice(2);
const spool = fileReadingSpool(folder);
const boot = { id: "measuring", seconds: () => performance.now() / 1_000 };
for (let value = 0; value < Number(count); value += 1) {
  await spoolReadings({ stream: "load", records: [{ value }] }, { spool, boot, known: null });
  await setTimeout(Number(pauseMilliseconds));
}
