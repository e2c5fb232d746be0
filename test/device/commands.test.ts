import { randomUUID } from "node:crypto";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { Command } from "@sealpost/protocol/exchanges/commands.ts";
import { limits } from "@sealpost/protocol/limits.ts";

import { type CommandHandlers, type HandledCommand, commandLater } from "../../device/commands/command-handler.ts";
import { judge } from "../../device/commands/judge.ts";
import { Device } from "../../device/device.ts";
import { decisions } from "../../functions/operator/decisions.ts";
import { devicePuts } from "../../functions/registry/device.ts";
import { atEveryCall } from "./support/crash.ts";
import {
  type Bench,
  type Home,
  bootstrapped,
  memoryHome,
  journal,
  openBench,
  patient,
  profile,
  registryEntry,
  setStatus,
} from "./support/bench.ts";

describe("the table of what becomes of a command in hand", () => {
  const command: Command = { n: 5, commandId: "c", name: "turn", arguments: {}, expires: 100 };
  const marker = (n: number, decision: "run" | "refused" = "run", deviceId = "me") => ({ deviceId, n, decision });
  test.each([
    ["none", null, 99, "run"],
    ["none, over", null, 100, "expire"],
    ["below", marker(4), 99, "run"],
    ["below, over", marker(4, "refused"), 100, "expire"],
    ["of another device", marker(9, "run", "other"), 99, "run"],
    ["above", marker(6), 99, "interrupted"],
    ["above and refused, over", marker(6, "refused"), 100, "interrupted"],
    ["at, refused", marker(5, "refused"), 99, "expired"],
    ["at, run", marker(5), 99, "interrupted"],
    ["at, run, over", marker(5), 100, "interrupted"],
  ] as const)("ok/marker %s", (_, found, now, verdict) => {
    expect(judge(command, found, "me", now)).toBe(verdict);
  });
  test.each([
    ["at, run", marker(5), 99, "run"],
    ["at, run, over", marker(5), 100, "interrupted"],
    ["at, refused", marker(5, "refused"), 99, "expired"],
    ["above", marker(6), 99, "interrupted"],
  ] as const)("ok/repeatable, marker %s", (_, found, now, verdict) => {
    expect(judge({ ...command, repeatable: true }, found, "me", now)).toBe(verdict);
  });
});

describe("over the real service", () => {
  let bench: Bench;
  let home: Home;
  let device: Device;
  let ran: unknown[];
  const handlers: CommandHandlers = {
    turn: (args, { n }) => {
      ran.push(n);
      return { turned: args["by"] };
    },
    fail: () => {
      throw new Error("no power");
    },
    shout: () => "x".repeat(5_000),
  };

  beforeEach(start);
  afterEach(() => vi.restoreAllMocks());

  async function start(): Promise<void> {
    bench = await openBench();
    home = memoryHome(bench);
    ran = [];
    ({ device } = await bootstrapped(bench, home));
    await device.register(profile);
  }

  const call = () => ({ actor: "tester", now: bench.now, unique: randomUUID(), query: undefined });
  const ports = () => ({
    serviceId: "test",
    generation: 1,
    store: bench.service.store,
    now: () => bench.now,
    newId: randomUUID,
  });
  const deviceId = () => device.status().deviceId ?? "";

  async function queue(commandId: string, name: string, more: object = {}): Promise<void> {
    const request = { commandId, name, arguments: { by: 90 }, ...more };
    const answer = await decisions.queueCommand({ ...call(), path: { deviceId: deviceId() }, request }, ports());
    expect(answer).toHaveProperty("reply");
  }

  async function shown(commandId: string): Promise<unknown> {
    const path = { deviceId: deviceId(), commandId };
    const answer = await decisions.showCommand({ ...call(), path, request: undefined }, ports());
    return "reply" in answer ? answer.reply.command : answer;
  }

  const reopen = () => Device.open({ ports: home, options: patient() });

  test("ok/each once, in their order, with its result; nothing is asked where nothing waits", async () => {
    expect(await device.handleCommands({ handlers })).toEqual([]);
    for (const [id, name] of Object.entries({ a: "turn", b: "fail", c: "shout", d: "unheard-of" }))
      await queue(id, name);
    const handled = await device.handleCommands({ handlers, ask: true });
    expect(handled.map(({ n, status }) => [n, status])).toEqual([
      [1, "done"],
      [2, "failed"],
      [3, "failed"],
      [4, "rejected"],
    ]);
    expect(ran).toEqual([1]);
    expect(await shown("a")).toMatchObject({ state: "done", output: { turned: 90 } });
    expect(await shown("b")).toMatchObject({ state: "failed", output: { reason: "no power" } });
    expect(await shown("c")).toMatchObject({ state: "failed", output: { code: "output-too-large" } });
    expect(await shown("d")).toMatchObject({ state: "rejected" });
    expect(device.status().commands).toEqual({ handled: 4, hand: null, waiting: false });
    await queue("e", "turn");
    await device.checkFirmware();
    expect(device.status().commands).toMatchObject({ waiting: true });
    expect(await device.handleCommands({ handlers })).toMatchObject([{ n: 5, status: "done" }]);
  });

  test("fails/with what was done told, where the verb is ended behind the first", async () => {
    await queue("a", "turn");
    await queue("b", "turn");
    const settled: HandledCommand[] = [];
    const end = new AbortController();
    const onSettled = (handled: HandledCommand) => {
      settled.push(handled);
      end.abort();
    };
    const input = { handlers, ask: true, onSettled, signal: end.signal };
    await expect(device.handleCommands(input)).rejects.toMatchObject({ code: "aborted" });
    expect(settled).toMatchObject([{ n: 1, status: "done" }]);
    expect(await device.handleCommands({ handlers })).toMatchObject([{ n: 2, status: "done" }]);
    expect(await shown("a")).toMatchObject({ state: "done" });
  });

  test("ok/more than a window of them in one verb", async () => {
    const most = 70;
    let given = 0;
    const give = async () => queue(`command-${(given += 1)}`, "turn");
    const giving: CommandHandlers = { turn: async () => (given < most ? give() : undefined) };
    await give();
    expect(await device.handleCommands({ handlers: giving, ask: true })).toHaveLength(most);
    expect(await shown("command-1")).toMatchObject({ state: "done" });
    expect(await shown(`command-${most}`)).toMatchObject({ state: "done" });
  });

  test("fails/with a word of it, where the service does not take a result", async () => {
    await queue("a", "turn");
    await queue("b", "turn");
    const key = { target: `life#${deviceId()}`, at: "command#0000000001" };
    const [item] = await bench.service.store.read([{ table: "journal", key }]);
    const other = { ...item, commandId: "other", revision: 1 };
    const replace = () => bench.service.store.write([{ table: "journal", item: other, when: { revision: 0 } }]);
    const replacing = { turn: async () => void (await replace()) };
    await expect(device.handleCommands({ handlers: replacing, ask: true })).rejects.toMatchObject({
      code: "refused",
      message: expect.stringContaining("unknown-command") as string,
    });
    expect(await shown("b")).toMatchObject({ state: "done" });
    expect(await device.handleCommands({ handlers, ask: true })).toEqual([]);
  });

  test("ok/a power cut at any call: started at most once, and the result arrives", async () => {
    for (const strike of ["before", "after"] as const) {
      const points = await atEveryCall({
        strike,
        start: async () => {
          vi.restoreAllMocks();
          await start();
          await queue("a", "turn");
          return home;
        },
        run: async (dying) => {
          const opened = await Device.open({ ports: dying, options: patient() });
          await opened.handleCommands({ handlers, ask: true });
        },
        check: async (_, where) => {
          const { state } = (await shown("a")) as { state: string };
          const possible = [
            ["done", 1],
            ["interrupted", 1],
            ["interrupted", 0],
          ];
          expect(possible, where).toContainEqual([state, ran.length]);
        },
      });
      expect(points).toBeGreaterThan(8);
    }
  }, 300_000);

  test("ok/a state that was put back runs nothing again; the first result stays", async () => {
    const before = await home.state.load();
    await queue("a", "turn");
    await device.handleCommands({ handlers, ask: true });
    await home.state.save(before as object);
    const back = await reopen();
    await queue("b", "turn");
    await back.handleCommands({ handlers, ask: true });
    expect(ran).toEqual([1, 2]);
    expect(await shown("a")).toMatchObject({ state: "done" });
    expect(await shown("b")).toMatchObject({ state: "done" });
  });

  test("ok/a state from when the command was in hand: interrupted, not run again", async () => {
    const kept: object[] = [];
    const keep: CommandHandlers = {
      turn: async (_, { n }) => {
        ran.push(n);
        kept.push((await home.state.load()) as object);
      },
    };
    await queue("a", "turn");
    await device.handleCommands({ handlers: keep, ask: true });
    await home.state.save(kept[0] ?? {});
    expect(await (await reopen()).handleCommands({ handlers: keep })).toMatchObject([{ n: 1, status: "interrupted" }]);
    expect(ran).toEqual([1]);
  });

  test("ok/expires by the time that the device knows, also where the service has delivered it in time", async () => {
    await queue("a", "turn", { validSeconds: 60 });
    const broken: CommandHandlers = () => {
      throw new Error("the folder of handlers cannot be read");
    };
    await expect(device.handleCommands({ handlers: broken, ask: true })).rejects.toThrow("folder of handlers");
    expect(device.status().commands?.hand).toMatchObject({ n: 1 });
    bench.now += 61;
    await device.checkFirmware();
    expect(await device.handleCommands({ handlers })).toMatchObject([{ n: 1, status: "expired" }]);
    expect(ran).toEqual([]);
    expect(await home.keys.readMarker()).toMatchObject({ n: 1, decision: "refused" });
    expect(await shown("a")).toMatchObject({ state: "expired" });
  });

  test("ok/later is for repeatable ones: it stays in hand, and is done then", async () => {
    await queue("a", "turn", { repeatable: true });
    await queue("b", "turn");
    const later: CommandHandlers = () => () => commandLater;
    expect(await device.handleCommands({ handlers: later, ask: true })).toEqual([]);
    expect(device.status().commands?.hand).toMatchObject({ n: 1 });
    const back = await reopen();
    expect(await back.handleCommands({ handlers: { turn: () => "now" } })).toHaveLength(2);
    expect(await shown("a")).toMatchObject({ state: "done", output: "now" });
  });

  test("ok/an answer whose content was freed: asked again, as a new message", async () => {
    await queue("a", "turn");
    const offline = { ...home.messages, post: () => Promise.reject(new Error("down")) };
    const asking = await Device.open({
      ports: { ...home, messages: offline },
      options: { ...patient(), maxWaitSeconds: 0 },
    });
    await expect(asking.handleCommands({ handlers, ask: true })).rejects.toMatchObject({ code: "no-answer" });
    const pending = (await home.state.load()) as object;
    // Answered, and acknowledged; then the disk is as it was before.
    const before = await reopen();
    const unreadable = () => Promise.reject(new Error("no handlers"));
    await expect(before.handleCommands({ handlers: unreadable })).rejects.toThrow("no handlers");
    await before.checkFirmware();
    await home.state.save(pending);
    expect(await (await reopen()).handleCommands({ handlers })).toMatchObject([{ n: 1, status: "done" }]);
    expect(ran).toEqual([1]);
    expect(await shown("a")).toMatchObject({ state: "done" });
  });

  test("ok/nothing but answers without content: three more questions, and the last one still counts", async () => {
    await queue("a", "turn");
    const freeing = await freeingHome();
    freeing.times = 3;
    expect(await freeing.device.handleCommands({ handlers, ask: true })).toMatchObject([{ n: 1, status: "done" }]);
    await queue("b", "turn");
    [freeing.times, freeing.freed] = [Infinity, 0];
    expect(await freeing.device.handleCommands({ handlers, ask: true })).toEqual([]);
    expect(freeing.freed).toBe(4);
    // It is known that something may be there.
    freeing.times = 0;
    expect(await freeing.device.handleCommands({ handlers })).toMatchObject([{ n: 2, status: "done" }]);
  });

  /** The reply to each new message is lost, and what it was made from is freed before the next copy comes. */
  async function freeingHome() {
    const freeing = { times: 0, freed: 0 };
    let seen = 0;
    const post: Home["messages"]["post"] = async (...sent) => {
      const answer = await home.messages.post(...sent);
      const stored = await registryEntry(bench, deviceId());
      if (!stored || stored.window.high === seen || freeing.freed >= freeing.times) return answer;
      seen = stored.window.high;
      freeing.freed += 1;
      const outcomes = new Map([...stored.window.outcomes].map(([seq, { result: _, ...kept }]) => [seq, kept]));
      await bench.service.store.write(
        devicePuts(stored, { ...stored, window: { ...stored.window, ack: seen, outcomes } }, 1),
      );
      throw new Error("the reply is lost");
    };
    const opened = await Device.open({ ports: { ...home, messages: { ...home.messages, post } }, options: patient() });
    return Object.assign(freeing, { device: opened });
  }

  test.each([
    ["conflict", 2],
    ["below the window", limits.window + 1],
  ])("ok/%s on a result: it goes out as a new message, once", async (_, others) => {
    await queue("a", "turn");
    let snapshot: object = {};
    const during: CommandHandlers = {
      turn: async (_args, { n }) => {
        ran.push(n);
        snapshot = (await home.state.load()) as object;
      },
    };
    // As after a restored disk: the service has seen other messages under the numbers that come next.
    await expect(
      device.handleCommands({
        handlers: during,
        ask: true,
        onSettled: () => {
          throw new Error("power");
        },
      }),
    ).rejects.toThrow("power");
    await home.state.save(snapshot);
    const other = await reopen();
    for (let sent = 0; sent < others; sent += 1) await other.checkFirmware();
    await home.state.save(snapshot);
    expect(await (await reopen()).handleCommands({ handlers: during })).toMatchObject([{ status: "interrupted" }]);
    expect(ran).toEqual([1]);
    expect(await shown("a")).toMatchObject({ state: "interrupted" });
    expect(await (await reopen()).handleCommands({ handlers, ask: true })).toEqual([]);
    const actions = await journal(bench, deviceId());
    expect(actions.filter((action) => action === "command.result")).toHaveLength(1);
  });

  test("ok/deregister settles what is in hand first, without starting it; fails/a revoked device starts nothing", async () => {
    await queue("a", "turn", { repeatable: true });
    await device.handleCommands({ handlers: () => () => commandLater, ask: true });
    await device.deregister();
    expect(await shown("a")).toMatchObject({ state: "interrupted" });

    await start();
    await queue("b", "turn");
    await device.checkFirmware();
    await setStatus(bench, deviceId(), "revoked");
    await expect(device.handleCommands({ handlers })).rejects.toMatchObject({ code: "revoked" });
    expect(ran).toEqual([]);
  });
});
