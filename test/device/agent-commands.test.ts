import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { memoryStateStore } from "../../device/adapters/memory-state-store.ts";
import { markOf } from "../../device/adapters/process-mark.ts";
import { lineOf } from "../../device/agent/acts.ts";
import { commandsIn } from "../../device/agent/commands.ts";
import { RecordKeeper } from "../../device/agent/record.ts";
import { endLeftOver, runnerFor } from "../../device/agent/runner.ts";
import { type CommandHandler, commandLater } from "../../device/commands/command-handler.ts";
import { doneWith } from "../../device/commands/output.ts";
import type { StateStore } from "../../device/ports.ts";
import { writeScripts } from "./support/agent.ts";

let folder: string;
let store: StateStore;
let keeper: RecordKeeper;
let said: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sealpost-commands-"));
  store = memoryStateStore();
  keeper = await RecordKeeper.open(store, "boot", 0);
  said = [];
});
afterEach(async () => rm(folder, { recursive: true, force: true }));

async function handlerOf(name: string, scripts: { readonly [name: string]: string }, at = folder) {
  await writeScripts(folder, scripts);
  const runner = runnerFor({
    keeper,
    say: (line) => said.push(line),
    environment: {},
    signal: new AbortController().signal,
  });
  const handlers = commandsIn(at, 5, runner, (act) => said.push(lineOf(act)));
  return typeof handlers === "function" ? handlers(name) : undefined;
}

async function run(text: string): Promise<unknown> {
  const handler: CommandHandler | undefined = await handlerOf("valve.open", { "valve.open": text });
  const context = { name: "valve.open", commandId: "c-17", n: 1, signal: new AbortController().signal };
  return handler?.({ percent: 40 }, context);
}

test("ok/an executable of the command's name does it", async () => {
  expect(await run('read line; echo "{\\"words\\": \\"$*\\", \\"in\\": $line}"')).toEqual({
    words: "valve.open c-17",
    in: { percent: 40 },
  });
  expect(await run("echo no JSON; echo why >&2")).toEqual({ unusable: "not-json" });
  expect(said).toEqual(["why"]);
  expect(await run("exit 0")).toBeUndefined();
});

test("ok/75 is later; any other end is a failure that says what is known", async () => {
  expect(await run("exit 75")).toBe(commandLater);
  await expect(run("echo '{\"jammed\": true}'; exit 4")).rejects.toMatchObject({
    name: "CommandFailure",
    output: { reason: "exit", exit: 4, output: { jammed: true } },
  });
});

test("ok/what no result can hold changes nothing of how it ended", async () => {
  const deep = `echo '${"[".repeat(12)}${"]".repeat(12)}'`;
  const wide = `echo '[${Array.from({ length: 800 }, () => "1e20").join(",")}]'`;
  const near = `echo '"${"x".repeat(4_080)}"'`;
  for (const text of [deep, wide]) {
    const output = await run(text);
    expect(output).toEqual({ unusable: "too-large" });
    expect(doneWith({ n: 1, commandId: "c-17" }, output)).toMatchObject({ status: "done" });
  }
  await expect(run(`${near}; exit 4`)).rejects.toMatchObject({
    output: { reason: "exit", exit: 4, unusable: "too-large" },
  });
});

test("fails/a name without an executable, one that others can change, no folder", async () => {
  expect(await handlerOf("valve.close", { "valve.open": "exit 0" })).toBeUndefined();
  expect(await handlerOf("valve.open", { "valve.open": "exit 0" }, join(folder, "elsewhere"))).toBeUndefined();
  const runner = runnerFor({ keeper, say: () => {}, environment: {}, signal: new AbortController().signal });
  const none = commandsIn(undefined, 5, runner, () => {});
  expect(typeof none === "function" && (await none("valve.open"))).toBeUndefined();
});

test("ok/its process is in the record before it has its input", async () => {
  // The record is in memory: what the script sees of it is the order in time.
  let isNoted = false;
  keeper = await RecordKeeper.open(
    {
      load: async () => null,
      async save(document) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        isNoted = "process" in document && document.process !== null;
        await store.save(document);
      },
    },
    "boot",
    0,
  );
  await run(`read line; date +%s%N > ${folder}/read`);
  expect(isNoted).toBe(true);
  expect(await readFile(join(folder, "read"), "utf8")).toMatch(/^\d+\n$/);
});

test("ok/what a killed agent left running is ended; another process under its number is not", async () => {
  const child: ChildProcess = spawn("sleep", ["60"], { detached: true });
  const ended = new Promise((resolve) => child.once("exit", (_code, signal) => resolve(signal)));
  const mark = await markOf(child.pid ?? 0);
  await keeper.change({ process: { ...mark, started: "1" } });
  await endLeftOver(keeper, (act) => said.push(lineOf(act)));
  expect(said).toEqual([]);
  await keeper.change({ process: mark });
  await endLeftOver(keeper, (act) => said.push(lineOf(act)));
  expect(await ended).toBe("SIGTERM");
  expect(said).toEqual([`command: left-over-ended (pid ${child.pid})`]);
  expect(keeper.record.process).toBeNull();
});
