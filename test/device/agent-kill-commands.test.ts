import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { expect, test, vi } from "vitest";

import { seeded } from "../support/seeded.ts";
import { openAgentWorld } from "./support/agent-world.ts";
import { writeScripts } from "./support/agent.ts";
import { commandState, queueCommand } from "./support/commands.ts";

const seed = 11;
const kills = 9;

test("ok/an agent that is killed while it does commands starts none twice that may run once, and tells of each how it ended", async () => {
  const { folder, bench, home, start: startAgent } = await openAgentWorld();
  const record = (what: string) => `echo "${what} $2" >> ${folder}/acts`;
  const runIn = await writeScripts(join(folder, "commands"), {
    turn: `${record("begin")}\nsleep 0.5\n${record("end")}\necho '"turned"'`,
  });
  const start = () => startAgent(["--commands", runIn]);
  const inPeace = async (agent = start()) => {
    await agent.says(/^start:/);
    agent.child.kill("SIGHUP");
    await agent.says(/^wait: done/);
    agent.child.kill("SIGTERM");
    expect(await agent.ended, agent.lines.join("\n")).toBe(0);
  };
  await inPeace();
  const { deviceId } = JSON.parse(await readFile(join(home, "state.json"), "utf8")) as { deviceId: string };

  const begun = async () => readFile(join(folder, "acts"), "utf8").catch(() => "");
  const random = seeded(seed);
  const commands: { readonly id: string; readonly repeatable: boolean }[] = [];
  for (let round = 0; round < kills; round += 1) {
    const repeatable = round % 3 === 2;
    const id = `${repeatable ? "repeatable" : "once"}-${round}`;
    expect(await queueCommand(bench, deviceId, id, "turn", repeatable ? { repeatable } : {})).toBe(true);
    commands.push({ id, repeatable });
    const agent = start();
    await Promise.race([agent.says(/^start:/), agent.ended]);
    agent.child.kill("SIGHUP");
    // Every other time in the middle of a command, else whenever it happens to be.
    if (round % 2 === 0)
      await vi.waitUntil(async () => (await begun()).includes(id), { timeout: 30_000, interval: 10 });
    await sleep(random() * (round % 2 === 0 ? 150 : 500));
    agent.child.kill("SIGKILL");
    expect(await agent.ended).toBe("SIGKILL");
  }
  expect(await queueCommand(bench, deviceId, "once-in-peace", "turn")).toBe(true);
  commands.push({ id: "once-in-peace", repeatable: false });
  for (let rounds = 0; rounds < 2; rounds += 1) await inPeace();

  const acts = (await readFile(join(folder, "acts"), "utf8")).trim().split("\n");
  const times = (what: string, id: string) => acts.filter((act) => act === `${what} ${id}`).length;
  const told = await Promise.all(
    commands.map(async ({ id, repeatable }) => ({
      id,
      repeatable,
      state: await commandState(bench, deviceId, id),
      starts: times("begin", id),
      ends: times("end", id),
    })),
  );
  // What may run once and was begun, but has no end, was cut.
  const isTrue = ({ repeatable, state, starts, ends }: (typeof told)[number]) =>
    repeatable
      ? state === "done" && starts > 0 && ends > 0
      : (state === "done" && starts === 1 && ends === 1) || (state === "interrupted" && starts <= 1);
  expect(told.filter((command) => !isTrue(command))).toEqual([]);
  expect(told.some(({ state }) => state === "interrupted")).toBe(true);
  expect(told.some(({ repeatable, state }) => !repeatable && state === "done")).toBe(true);
});
