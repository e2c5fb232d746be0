import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { expect, test } from "vitest";

import { fileFirmwareSlots } from "../../device/adapters/file-firmware-slots.ts";
import { openAgentWorld } from "./support/agent-world.ts";
import { measure, writeScripts } from "./support/agent.ts";
import { journal, registryEntry } from "./support/bench.ts";
import { acceptedReadings } from "./support/readings.ts";
import { makeRelease, publishRelease } from "./support/release.ts";
import { seeded } from "../support/seeded.ts";

const seed = 7;
const kills = 15;
const measured = 200;

test("ok/an agent that is killed at any moment of its life goes on: each thing once, its home never broken", async () => {
  const { folder, bench, home, bootId, start: startAgent } = await openAgentWorld();
  const accepted = acceptedReadings(bench);
  const hooks = await writeScripts(join(folder, "hooks"), {
    restart: `touch ${folder}/restart`,
    health: "exit 0",
    "after-update": `cat >> ${folder}/ends`,
  });
  const image = randomBytes(3_000_000);
  await publishRelease(bench, makeRelease(image));
  const start = () => startAgent(["--hooks", hooks, "--healthy", "0.2", "--healthy-within", "20"]);
  /** The machine restarts where the hook asked for it. */
  let boots = 0;
  const restartIfAsked = async () => {
    if (await readFile(join(folder, "restart")).catch(() => null)) {
      await rm(join(folder, "restart"));
      boots += 1;
      await writeFile(bootId, `boot-${boots}`);
    }
  };
  const random = seeded(seed);
  const measuring = promisify(execFile)(process.execPath, [measure, join(home, "readings"), `${measured}`, "75"]);

  for (let round = 0; round < kills; round += 1) {
    const agent = start();
    const [poll, kill] = [setInterval(() => agent.child.kill("SIGHUP"), 50), 250 + random() * 900];
    // A signal that comes before anyone listens would end it.
    await Promise.race([agent.says(/./), agent.ended]);
    await new Promise((resolve) => setTimeout(resolve, kill - 250));
    clearInterval(poll);
    agent.child.kill("SIGKILL");
    expect(["SIGKILL", "SIGHUP"]).toContain(await agent.ended);
    await restartIfAsked();
  }

  await measuring;
  // In peace, until there is nothing left to do.
  for (let rounds = 0; rounds < 4; rounds += 1) {
    const agent = start();
    await agent.says(/^start:/);
    agent.child.kill("SIGHUP");
    await agent.says(/^(wait: done|boot: restarting)/);
    agent.child.kill("SIGTERM");
    expect(await agent.ended, agent.lines.join("\n")).toBe(0);
    await restartIfAsked();
  }
  const { deviceId, queue, phase } = JSON.parse(await readFile(join(home, "state.json"), "utf8")) as {
    deviceId: string;
    phase: string;
    queue: { pending: unknown[]; unknown: unknown[] };
  };
  expect({ phase, pending: queue.pending, unknown: queue.unknown }).toEqual({
    phase: "enrolled",
    pending: [],
    unknown: [],
  });
  const events = await journal(bench, deviceId);
  const count = (action: string) => events.filter((event) => event === action).length;
  expect(count("device.registered")).toBe(1);
  const { identity } = (await registryEntry(bench, deviceId)) ?? {};
  expect(identity?.update).toMatchObject({ counter: 2, state: "installed" });
  // The journal holds the end of an update alone.
  expect(count("firmware.reported")).toBe(1);
  const slots = fileFirmwareSlots(join(home, "slots"));
  expect(await slots.status()).toEqual({ running: { version: "2.0.0", counter: 2 }, trial: false, next: null });
  expect(await readFile(join(home, "slots", "b.bin"))).toEqual(image);
  const ends = (await readFile(join(folder, "ends"), "utf8")).trim().split("\n");
  expect(new Set(ends).size).toBe(1);
  // No reading is lost, doubled or out of its turn.
  expect(new Set(accepted.map(({ seq }) => seq)).size).toBe(accepted.length);
  expect(accepted.flatMap(({ records }) => records.map(({ value }) => value))).toEqual(
    Array.from({ length: measured }, (_, value) => value),
  );
});
