import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";

import { fileFirmwareSlots } from "../../device/adapters/file-firmware-slots.ts";
import { type AgentProcess, bin, measure, startAgent, writeScripts } from "./support/agent.ts";
import { type Bench, issueCredential, journal, openBench, registryEntry } from "./support/bench.ts";
import { commandState, queueCommand } from "./support/commands.ts";
import { type LiveService, startLiveService, unusedAddress } from "./support/live-service.ts";
import { acceptedReadings } from "./support/readings.ts";
import { makeRelease, publishRelease } from "./support/release.ts";

let bench: Bench;
let live: LiveService;
let folder: string;
let home: string;
let compiled: string;
let agents: AgentProcess[] = [];

beforeAll(async () => {
  compiled = await mkdtemp(join(tmpdir(), "sealpost-compiled-"));
});
afterAll(async () => {
  await rm(compiled, { recursive: true, force: true });
  vi.restoreAllMocks();
});
beforeEach(async () => {
  bench = await openBench();
  live = await startLiveService(bench);
  folder = await mkdtemp(join(tmpdir(), "sealpost-agent-"));
  home = join(folder, "home");
});
afterEach(async () => {
  for (const { child, ended } of agents) {
    child.kill("SIGKILL");
    await ended;
  }
  agents = [];
  await live.close();
  await rm(folder, { recursive: true, force: true });
});

const profile = ["--model", "meter", "--hardware", "r2", "--firmware-version", "1.0.0", "--firmware-counter", "1"];

function start(...words: string[]): AgentProcess {
  const agent = startAgent(["--home", home, "--via", live.messageUrl], words, { NODE_COMPILE_CACHE: compiled });
  agents.push(agent);
  return agent;
}

async function packageFile(change: object = {}): Promise<string> {
  const credential = { ...(await issueCredential(bench.service)), bootstrapUrl: live.bootstrapUrl, ca: live.ca };
  const file = join(folder, "package.json");
  await writeFile(file, JSON.stringify({ ...credential, ...change }));
  return file;
}

async function enrolled(...words: string[]): Promise<AgentProcess> {
  const agent = start("--package", await packageFile(), ...profile, ...words);
  await agent.says(/^wait: done/);
  return agent;
}

async function statusOf(): Promise<{
  signingKey: string;
  agent: { failures: number; acts: { act: string; outcome: string }[] };
}> {
  const words = [bin, "--home", home, "status", "--json"];
  return JSON.parse((await promisify(execFile)(process.execPath, words)).stdout);
}

const deviceId = async () =>
  (JSON.parse(await readFile(join(home, "state.json"), "utf8")) as { deviceId: string }).deviceId;

describe("a device that runs by itself", () => {
  test("ok/from a package to a poll; SIGHUP polls at once, SIGTERM ends it, a restart keeps the schedule", async () => {
    const agent = await enrolled();
    expect(await journal(bench, await deviceId())).toContain("device.registered");
    const seen = agent.lines.length;
    agent.child.kill("SIGHUP");
    await agent.says(/^firmware: nothing-newer/, seen);
    await agent.says(/^wait: done/, seen);
    agent.child.kill("SIGTERM");
    expect(await agent.ended).toBe(0);
    expect(agent.lines.at(-1)).toBe("stop: done");

    const status = await statusOf();
    expect(status.agent.acts.map(({ act }) => act)).toEqual(expect.arrayContaining(["register", "firmware", "wait"]));
    await rm(join(folder, "package.json"));
    const next = start("--package", join(folder, "package.json"), ...profile);
    const left = Number(/nextSeconds ([\d.]+)/.exec(await next.says(/^start: agent/))?.[1]);
    const waited = Number(
      /nextSeconds ([\d.]+)/.exec(agent.lines.findLast((line) => line.startsWith("wait")) ?? "")?.[1],
    );
    expect(Math.abs(waited - left)).toBeLessThan(30);
    next.child.kill("SIGTERM");
    expect(await next.ended).toBe(0);
  });

  test("ok/what another process stores is sent, together and without a poll", async () => {
    const accepted = acceptedReadings(bench);
    const agent = await enrolled("--send-every", "0.5");
    const seen = agent.lines.length;
    await promisify(execFile)(process.execPath, [measure, join(home, "readings"), "3", "0"]);
    await agent.says(/^send: done/, seen);
    const valuesOf = () => accepted.flatMap(({ records }) => records.map(({ value }) => value));
    await expect.poll(valuesOf, { timeout: 10_000 }).toEqual([0, 1, 2]);
    expect(agent.lines.slice(seen).filter((line) => /^(firmware|wait)/.test(line))).toEqual([]);
  });

  test("ok/commands are done by executables of their name, and others rejected", async () => {
    const commands = await writeScripts(join(folder, "commands"), { "valve.open": `cat >> ${folder}/opened` });
    const agent = await enrolled("--commands", commands);
    for (const name of ["valve.open", "unheard-of"])
      await queueCommand(bench, await deviceId(), name.slice(0, 5), name);
    agent.child.kill("SIGHUP");
    await agent.says(/^command: done \(name valve.open, commandId valve\)/);
    await agent.says(/^command: rejected \(name unheard-of/);
    expect(JSON.parse(await readFile(join(folder, "opened"), "utf8"))).toEqual({ by: 90 });
    expect(await commandState(bench, await deviceId(), "valve")).toBe("done");
  });

  test("ok/75 leaves a repeatable command in hand, which is done at a later round; of another it is a failure", async () => {
    const text = `[ "$2" = again ] && [ -e ${folder}/open ] && exit 0\necho "$2" >> ${folder}/begun\nexit 75`;
    const commands = await writeScripts(join(folder, "commands"), { "valve.open": text });
    const agent = await enrolled("--commands", commands);
    await queueCommand(bench, await deviceId(), "once", "valve.open");
    await queueCommand(bench, await deviceId(), "again", "valve.open", { repeatable: true });
    agent.child.kill("SIGHUP");
    await agent.says(/^command: failed \(name valve.open, commandId once\)/);
    await expect.poll(() => readFile(join(folder, "begun"), "utf8"), { timeout: 10_000 }).toBe("once\nagain\n");
    expect(await commandState(bench, await deviceId(), "again")).toBe("delivered");
    await writeFile(join(folder, "open"), "");
    agent.child.kill("SIGHUP");
    await agent.says(/^command: done \(name valve.open, commandId again\)/);
    await expect.poll(async () => commandState(bench, await deviceId(), "again"), { timeout: 10_000 }).toBe("done");
  });

  test("ok/SIGTERM lets a command end in its time, or ends it; what became of it is told by the next start", async () => {
    const text = `echo "$2" >> ${folder}/begun\ncase $2 in quick) sleep 1 ;; later) trap 'exit 75' TERM; sleep 60 & wait ;; *) sleep 60 ;; esac`;
    const commands = await writeScripts(join(folder, "commands"), { turn: text });
    const begun = () => readFile(join(folder, "begun"), "utf8").catch(() => "");
    const stopDuring = async (agent: AgentProcess, commandId: string, more = {}) => {
      await queueCommand(bench, await deviceId(), commandId, "turn", more);
      agent.child.kill("SIGHUP");
      await expect.poll(begun, { timeout: 20_000 }).toContain(commandId);
      agent.child.kill("SIGTERM");
      expect(await agent.ended, agent.lines.join("\n")).toBe(0);
      return agent.lines.filter((line) => line.startsWith("command:"));
    };
    const words = ["--commands", commands, "--stop-within", "3"];
    expect(await stopDuring(await enrolled(...words), "quick")).toEqual(["command: done (name turn, commandId quick)"]);
    const restarted = async () => {
      const agent = start(...words);
      await agent.says(/^start: agent/);
      return agent;
    };
    expect(await stopDuring(await restarted(), "slow")).toEqual(["command: failed (name turn, commandId slow)"]);
    // It says that nothing was done, and it may be asked again.
    expect(await stopDuring(await restarted(), "later", { repeatable: true })).toEqual([]);
    expect(await commandState(bench, await deviceId(), "quick")).toBe("done");
    expect(await commandState(bench, await deviceId(), "slow")).toBe("failed");
    expect(await commandState(bench, await deviceId(), "later")).toBe("delivered");
    expect((await begun()).trim().split("\n")).toEqual(["quick", "slow", "later"]);
  });

  test("ok/a start of the machine waits its turn, told by the boot id", async () => {
    const bootId = join(folder, "boot");
    await writeFile(bootId, "one\n");
    const first = await enrolled("--boot-id", bootId);
    first.child.kill("SIGTERM");
    await first.ended;
    await writeFile(bootId, "two\n");
    const second = start(...profile, "--boot-id", bootId);
    const wait = Number(/nextSeconds ([\d.]+)/.exec(await second.says(/^start: machine/))?.[1]);
    expect(wait).toBeLessThanOrEqual(300);
    expect(second.lines.some((line) => line.startsWith("firmware"))).toBe(false);
  });

  test("ok/nobody answers: it says so, and when it tries again", async () => {
    const agent = start("--package", await packageFile({ bootstrapUrl: `${await unusedAddress()}/x` }), ...profile);
    await agent.says(/^error: unreachable/);
    expect(await agent.says(/^wait: retry/)).toMatch(/failures 1, nextSeconds (4[5-9]|[56]\d|7[0-5])/);
    agent.child.kill("SIGTERM");
    expect(await agent.ended).toBe(0);
  });

  test("ok/keys that are old enough are renewed, and those that are not stay", async () => {
    const agent = await enrolled();
    const before = (await statusOf()).signingKey;
    agent.child.kill("SIGTERM");
    await agent.ended;
    // The certificate is of the second in which the service stands still.
    bench.now += 90 * 86_400;
    const young = start(...profile);
    await young.says(/^start/);
    young.child.kill("SIGHUP");
    await young.says(/^wait: done/);
    expect((await statusOf()).signingKey).toBe(before);
    young.child.kill("SIGTERM");
    await young.ended;
    const old = start(...profile, "--renew-days", "0.001");
    await old.says(/^start/);
    old.child.kill("SIGHUP");
    await old.says(/^renew: done/);
    await old.says(/^wait: done/);
    expect((await statusOf()).signingKey).not.toBe(before);
  });

  test("fails/two in one home: the second goes, with the exit code of a busy home", async () => {
    await enrolled();
    expect(await start(...profile).ended).toBe(11);
  });

  test("fails/a package that is none, no package at all", async () => {
    await writeFile(join(folder, "bad"), "{}");
    expect(await start("--package", join(folder, "bad")).ended).toBe(4);
    expect(await start().ended).toBe(3);
  });

  test("ok/a second SIGTERM ends it at once", async () => {
    const hooks = await writeScripts(join(folder, "hooks"), {
      "before-update": "touch $0.asked; trap '' TERM; sleep 60",
    });
    const agent = await enrolled("--hooks", hooks);
    await publishRelease(bench, makeRelease(randomBytes(10_000)));
    agent.child.kill("SIGHUP");
    await expect
      .poll(async () =>
        readFile(join(hooks, "before-update.asked")).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    agent.child.kill("SIGTERM");
    await agent.says(/^stop: asked/);
    agent.child.kill("SIGTERM");
    expect(await agent.ended).toBe(143);
  });
});

describe("firmware by hooks", () => {
  const update = async () => (await registryEntry(bench, await deviceId()))?.identity.update;

  /** Enrols, offers release 2, and takes it as far as the restart. */
  async function untilRestart(scripts: { readonly [name: string]: string }, ...words: string[]) {
    const hooks = await writeScripts(join(folder, "hooks"), {
      restart: `cat >> ${folder}/restarts; exit 0`,
      "after-update": `cat >> ${folder}/ends; exit 0`,
      ...scripts,
    });
    const bootId = join(folder, "boot");
    await writeFile(bootId, "one\n");
    const options = ["--hooks", hooks, "--boot-id", bootId, "--healthy", "0.4", "--healthy-within", "2", ...words];
    const agent = await enrolled(...options);
    const image = randomBytes(150_000);
    await publishRelease(bench, makeRelease(image));
    agent.child.kill("SIGHUP");
    const restart = async () => {
      agent.child.kill("SIGTERM");
      await agent.ended;
      await writeFile(bootId, `${randomBytes(4).toString("hex")}\n`);
      const next = start(...profile, ...options);
      await next.says(/^start: machine/);
      return next;
    };
    return { agent, image, restart };
  }

  const lines = async (name: string) =>
    (await readFile(join(folder, name), "utf8"))
      .trim()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
  const two = { version: "2.0.0", counter: 2 };

  test("ok/before, restart, health, after", async () => {
    const { agent, image, restart } = await untilRestart({ health: `cat >> ${folder}/healths` });
    await agent.says(/^boot: restarting \(why try, version 2.0.0, counter 2\)/);
    const path = join(home, "slots", "b.bin");
    expect(await lines("restarts")).toEqual([{ why: "try", firmware: two, image: path }]);
    expect(await readFile(path)).toEqual(image);
    const next = await restart();
    await next.says(/^boot: on-trial/);
    await next.says(/^firmware: healthy/);
    expect((await update())?.state).toBe("verified");
    next.child.kill("SIGHUP");
    await next.says(/^firmware: installed/);
    expect(await update()).toMatchObject({ counter: 2, state: "installed" });
    expect((await lines("healths")).length).toBeGreaterThan(1);
    await next.says(/^wait: done/);
    expect(await lines("ends")).toEqual([{ firmware: two, outcome: "installed" }]);
    // The unit's options still name the firmware of the first day.
    expect((await fileFirmwareSlots(join(home, "slots")).status()).running).toEqual(two);
  });

  test("ok/what is never healthy goes back", async () => {
    const { agent, restart } = await untilRestart({ health: "exit 1" });
    await agent.says(/^boot: restarting/);
    const trial = await restart();
    await trial.says(/^firmware: bad/);
    await trial.says(/^boot: restarting \(why roll-back/);
    trial.child.kill("SIGTERM");
    await trial.ended;
    await writeFile(join(folder, "boot"), "back\n");
    const back = start(...profile, "--hooks", join(folder, "hooks"), "--boot-id", join(folder, "boot"));
    await back.says(/^boot: went-back/);
    back.child.kill("SIGHUP");
    await back.says(/^firmware: rolled-back/);
    await back.says(/^wait: done/);
    expect(await update()).toMatchObject({ counter: 2, state: "rolled-back" });
    expect(await lines("ends")).toEqual([{ firmware: two, outcome: "rolled-back" }]);
  });

  test("ok/a boot loader that went back by itself is believed what `running` says", async () => {
    const { agent, restart } = await untilRestart({ running: `echo '{"version": "1.0.0", "counter": 1}'` });
    await agent.says(/^boot: restarting/);
    const next = await restart();
    await next.says(/^boot: went-back \(version 1.0.0/);
    next.child.kill("SIGHUP");
    await next.says(/^firmware: rolled-back/);
    expect(await update()).toMatchObject({ counter: 2, state: "rolled-back" });
  });

  test("ok/later is no failure; failed before the download is, and is reported", async () => {
    const { agent } = await untilRestart({ "before-update": `cat ${folder}/answer > /dev/null && exit 3; exit 75` });
    await agent.says(/^firmware: later \(version 2.0.0/);
    expect(await update()).toBeUndefined();
    await writeFile(join(folder, "answer"), "");
    const seen = agent.lines.length;
    agent.child.kill("SIGHUP");
    await agent.says(/^firmware: failed .*before-update/, seen);
    expect(await update()).toMatchObject({ counter: 2, state: "failed", reason: "before-update" });
  });

  test("ok/a hook past its time is ended, and has failed", async () => {
    const { agent } = await untilRestart({ "before-update": "sleep 60" }, "--hook-timeout", "0.3");
    await agent.says(/^hook: failed \(hook before-update, reason time-out\)/);
    await agent.says(/^firmware: failed/);
    expect(await update()).toMatchObject({ state: "failed", reason: "before-update" });
  });
});
