import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { repository } from "../local/repository.ts";
import { costDocuments } from "./docs/cost.ts";
import { performanceDocuments } from "./docs/performance.ts";
import { checkExact } from "./exact/exact.ts";
import { type GroupName, groupNames } from "./group-names.ts";
import { printRows } from "./print.ts";
import { checkRatios } from "./ratios.ts";
import type { Row } from "./row.ts";

const help = `npm run bench [-- options]

Measures Sealpost beside what one would use otherwise, in one run, and writes .local/bench.json.

  --only <group>   ${groupNames.join(", ")}; may be given several times
  --json           print the rows as JSON
  --ratios         fail where a figure with an aim is a quarter worse than bench/ratios.json has it
  --check          measure nothing; count what is the same on every machine and compare it with bench/exact.json
  --docs           measure nothing; write docs/cost.md, its chart, the cost section of the README, and what docs/performance.md says of aims
  --accept         with --check or --ratios: take what was counted or measured

Exit codes: 0 measured; 1 a measurement failed, a figure is worse (--ratios) or another one (--check); 2 wrong options.`;

process.exitCode = await main(process.argv.slice(2));

async function main(commandLine: readonly string[]): Promise<number> {
  const options = readOptions(commandLine);
  if (typeof options === "string") {
    console.error(`${options}\n\n${help}`);
    return 2;
  }
  if (options.help) {
    console.log(help);
    return 0;
  }
  if (options.docs) {
    for (const { path, text } of [...(await costDocuments()), ...(await performanceDocuments())])
      await writeFile(path, text);
    return 0;
  }
  if (options.check) return check(options.accept);
  const rows: Row[] = [];
  for (const group of options.groups) {
    console.error(`measuring: ${group}`);
    rows.push(...(await measured(group)));
  }
  await mkdir(join(repository, ".local"), { recursive: true });
  await writeFile(join(repository, ".local/bench.json"), `${JSON.stringify(rows, null, 2)}\n`);
  console.log(options.json ? JSON.stringify(rows, null, 2) : printRows(rows));
  if (!options.ratios) return 0;
  const worse = await checkRatios(rows, options.accept);
  for (const line of worse) console.error(`worse: ${line}`);
  return worse.length > 0 ? 1 : 0;
}

async function check(accept: boolean): Promise<number> {
  const differences = await checkExact(accept);
  for (const difference of differences) console.log(difference);
  if (differences.length === 0) console.log("Every figure is the committed one.");
  else if (accept) console.log("Taken. Commit the files.");
  else console.error("Other figures than the committed ones; if they shall be so: npm run bench -- --check --accept");
  return differences.length > 0 && !accept ? 1 : 0;
}

function readOptions(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        help: { type: "boolean", short: "h", default: false },
        json: { type: "boolean", default: false },
        ratios: { type: "boolean", default: false },
        docs: { type: "boolean", default: false },
        check: { type: "boolean", default: false },
        accept: { type: "boolean", default: false },
        only: { type: "string", multiple: true, default: [] },
      },
    });
    const unknown = values.only.find((name) => !groupNames.some((group) => group === name));
    if (unknown !== undefined) return `There is no group ${unknown}.`;
    if (values.accept && !values.check && !values.ratios) return "--accept goes with --check or --ratios.";
    const groups = groupNames.filter((group) => values.only.length === 0 || values.only.includes(group));
    return { ...values, groups };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** In a process of its own: no group inherits another's heap and compiled code, and what the handlers log goes nowhere. */
async function measured(group: GroupName): Promise<readonly Row[]> {
  const child = fork(join(import.meta.dirname, "run-group.ts"), [group], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  let rows: readonly Row[] = [];
  child.on("message", (message: readonly Row[]) => (rows = message));
  const [code]: unknown[] = await once(child, "exit");
  if (code !== 0) throw new Error(`${group} could not be measured`);
  return rows;
}
