import type { GroupName } from "./group-names.ts";
import { bytes } from "./groups/bytes.ts";
import { counted } from "./groups/counted.ts";
import { firmware } from "./groups/firmware.ts";
import { handler } from "./groups/handler.ts";
import { start } from "./groups/start.ts";
import { tokens } from "./groups/tokens.ts";
import type { Row } from "./row.ts";

const groups: Readonly<Record<GroupName, () => Promise<Row[]>>> = {
  counted,
  tokens,
  handler,
  bytes,
  start,
  firmware,
};

const [, , name] = process.argv;
const [, measure] = Object.entries(groups).find(([group]) => group === name) ?? [];
if (!measure) throw new Error(`no group ${name}`);
process.send?.(await measure(), () => process.disconnect());
