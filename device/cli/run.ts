import { join, resolve } from "node:path";

import type { Command } from "commander";
import * as z from "zod/mini";

import { httpsBootstrapTransport } from "../adapters/https-bootstrap-transport.ts";
import { lockHome } from "../adapters/home-lock.ts";
import { type Act, lineOf } from "../agent/acts.ts";
import { Agent } from "../agent/agent.ts";
import { watchFolder } from "../agent/folder-watch.ts";
import { commandsIn } from "../agent/commands.ts";
import { hooksIn } from "../agent/hooks.ts";
import { readMachine } from "../agent/machine.ts";
import type { RecordKeeper } from "../agent/record.ts";
import { runnerFor } from "../agent/runner.ts";
import { systemdManager } from "../agent/service-manager.ts";
import { Waker } from "../agent/waker.ts";
import { Device } from "../device.ts";
import type { MessageTransport, StateStore } from "../ports.ts";
import { StateCell } from "../state/state-cell.ts";
import { readPackage } from "./bootstrap.ts";
import { parseCount, parseSeconds, readGlobalOptions } from "./global-options.ts";
import { type Home, agentRecordStore, openHome } from "./home.ts";

const optionsSchema = z.object({
  package: z.optional(z.string()),
  model: z.optional(z.string()),
  hardware: z.optional(z.string()),
  firmwareVersion: z.optional(z.string()),
  firmwareCounter: z.optional(z.number()),
  capability: z.optional(z.array(z.string())),
  hooks: z.optional(z.string()),
  commands: z.optional(z.string()),
  commandTimeout: z.number(),
  sendEvery: z.number(),
  renewDays: z.number(),
  hookTimeout: z.number(),
  healthy: z.number(),
  healthyWithin: z.number(),
  stopWithin: z.number(),
  bootId: z.string(),
});
type RunOptions = z.infer<typeof optionsSchema>;

export function registerRun(program: Command): void {
  program
    .command("run")
    .summary("be a device that runs by itself, until SIGTERM")
    .description(
      "Bootstraps and registers where that is still to be done, then polls, does commands, sends readings, updates firmware and renews its keys.\n" +
        "SIGHUP polls now. SIGTERM ends what is under way and goes; a second one goes at once. docs/agent.md says when it does what.",
    )
    .option("--package <file>", "credential package to bootstrap with; not read any more after that")
    .option("--model <name>", "as for `register`, as are the next four; what is left out stays as it was registered")
    .option("--hardware <revision>", "the hardware revision")
    .option("--firmware-version <name>", "the firmware that runs, until an update puts another in its place")
    .option("--firmware-counter <n>", "its release counter", parseCount)
    .option("--capability <name...>", "what this device can do")
    .option("--hooks <dir>", "executables before-update, restart, running, health and after-update")
    .option("--commands <dir>", "executables that do commands, each under the command's name; other names are rejected")
    .option("--command-timeout <seconds>", "how long a command may run", parseSeconds, 300)
    .option("--send-every <seconds>", "how long readings wait for others to go with them", parseSeconds, 10)
    .option("--renew-days <days>", "how old keys become; 0: renew by hand", parseSeconds, 180)
    .option("--hook-timeout <seconds>", "how long a hook may run", parseSeconds, 300)
    .option("--healthy <seconds>", "how long new firmware must be healthy without a break", parseSeconds, 120)
    .option("--healthy-within <seconds>", "by when, or it is rolled back", parseSeconds, 900)
    .option("--stop-within <seconds>", "how long SIGTERM lets an executable run on", parseSeconds, 10)
    .option("--boot-id <file>", "where the system tells one start from another", "/proc/sys/kernel/random/boot_id")
    .addHelpText(
      "after",
      "\nExamples:\n" +
        "  $ sealpost-device run --package meter-7.json --model meter --hardware r2 --firmware-version 1.0.0 --firmware-counter 1\n" +
        "  $ sealpost-device --home /var/lib/meter run --hooks /etc/meter/hooks --json",
    )
    .action(async (given: unknown, command: Command) => {
      await runAgent(openHome(command), optionsSchema.parse(given), readGlobalOptions(command.parent ?? command).json);
    });
}

async function runAgent(home: Home, options: RunOptions, isJson = false): Promise<void> {
  const { folder, ports, output } = home;
  const say = (act: Act) => output.line(isJson ? JSON.stringify(act) : lineOf(act));
  const unlock = await lockHome(folder);
  const machine = await readMachine(options.bootId);
  const silence = Math.max(1_800, 2 * Math.max(options.hookTimeout, options.commandTimeout, options.healthyWithin));
  const manager = systemdManager(process.env, machine.uptimeSeconds, silence);
  const waker = new Waker();
  const stops = stopOnSignals(waker, options.stopWithin, say);
  const watch = await watchFolder(join(folder, "readings"), options.sendEvery, () => waker.wake("readings"));
  const state = settling(ports.state);
  const devicePorts = { ...ports, state, messages: seenBy(ports.messages, () => manager.alive()) };
  const deviceOptions = { ...home.options, signal: stops.verbs };
  const environment = { SEALPOST_DEVICE_HOME: resolve(folder) };
  const runnerOf = (keeper: RecordKeeper) =>
    runnerFor({ keeper, say: (line) => output.line(line), environment, signal: stops.executables });
  try {
    await Agent.run(
      {
        isEnrolled: async () => (await StateCell.load(ports.state)).state?.phase === "enrolled",
        open: async () => {
          if (options.package === undefined || (await StateCell.load(ports.state)).state?.phase === "enrolled") {
            return Device.open({ ports: devicePorts, options: deviceOptions });
          }
          return Device.bootstrap({
            credentialPackage: await readPackage(options.package),
            ports: { ...devicePorts, bootstrap: httpsBootstrapTransport() },
            options: deviceOptions,
          });
        },
        record: agentRecordStore(folder),
        machine,
        slots: ports.slots,
        hooks: (keeper, report) => hooksIn(options.hooks, options.hookTimeout, runnerOf(keeper), report),
        commands: (keeper, report) => commandsIn(options.commands, options.commandTimeout, runnerOf(keeper), report),
        manager,
        waker,
        say,
        random: Math.random,
      },
      {
        profile: {
          ...(options.model !== undefined && { model: options.model }),
          ...(options.hardware !== undefined && { hardware: options.hardware }),
          ...(options.capability && { capabilities: options.capability }),
          ...(options.firmwareVersion !== undefined &&
            options.firmwareCounter !== undefined && {
              firmware: { version: options.firmwareVersion, counter: options.firmwareCounter },
            }),
        },
        sendEverySeconds: options.sendEvery,
        renewDays: options.renewDays,
        trial: { healthySeconds: options.healthy, withinSeconds: options.healthyWithin },
      },
    );
  } finally {
    await state.settled();
    manager.close();
    watch.close();
    stops.close();
    await unlock();
  }
}

type Stops = { readonly verbs: AbortSignal; readonly executables: AbortSignal; close(): void };

/** The first signal ends what waits, and gives an executable its time; the second one ends this process. */
function stopOnSignals(waker: Waker, stopWithinSeconds: number, say: (act: Act) => void): Stops {
  const verbs = new AbortController();
  const executables = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const stop = (signal: NodeJS.Signals) => {
    if (waker.stopped) process.exit(128 + (signal === "SIGINT" ? 2 : 15));
    say({ act: "stop", outcome: "asked", detail: { signal } });
    waker.wake("stop");
    verbs.abort(new Error(signal));
    timer = setTimeout(() => executables.abort(), stopWithinSeconds * 1000);
  };
  const poll = () => waker.wake("poll");
  process.on("SIGTERM", stop).on("SIGINT", stop).on("SIGHUP", poll);
  return {
    verbs: verbs.signal,
    executables: executables.signal,
    close() {
      clearTimeout(timer);
      process.off("SIGTERM", stop).off("SIGINT", stop).off("SIGHUP", poll);
    },
  };
}

/** A store whose write under way can be waited for: a verb that was aborted does not. */
function settling(store: StateStore): StateStore & { settled(): Promise<void> } {
  let last: Promise<unknown> = Promise.resolve();
  return {
    load: async () => store.load(),
    save(document) {
      const saved = store.save(document);
      last = saved.catch(() => {});
      return saved;
    },
    async settled() {
      await last;
    },
  };
}

/** Every answer is a sign of life. */
function seenBy({ post, get }: MessageTransport, seen: () => void): MessageTransport {
  return {
    async post(...call) {
      const answer = await post(...call);
      seen();
      return answer;
    },
    async get(...call) {
      const answer = await get(...call);
      seen();
      return answer;
    },
  };
}
