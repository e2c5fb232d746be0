import { decodeBase64url } from "@sealpost/protocol/token/strict.ts";

import type { CommandHandlers } from "../commands/command-handler.ts";
import type { Device, DeviceProfile } from "../device.ts";
import { type DeviceErrorCode, isDeviceError } from "../device-error.ts";
import type { FirmwareVersion, StateStore } from "../ports.ts";
import type { Act, Say } from "./acts.ts";
import { meaningOf } from "./errors.ts";
import { type AgentSlots, FirmwareKeeper } from "./firmware-keeper.ts";
import type { Hooks } from "./hooks.ts";
import type { Machine } from "./machine.ts";
import { RecordKeeper } from "./record.ts";
import { endLeftOver } from "./runner.ts";
import { pollDelay, renewalTime, retryDelay, returnDelay } from "./schedule.ts";
import type { ServiceManager } from "./service-manager.ts";
import type { TrialTimes } from "./trial.ts";
import type { Waker } from "./waker.ts";

export type AgentOptions = {
  /** What the device is; what is left out stays as it was registered. */
  readonly profile: Partial<Omit<DeviceProfile, "firmware">> & { readonly firmware?: FirmwareVersion };
  /** Readings wait so long for others to go with them, from when they are seen on. */
  readonly sendEverySeconds: number;
  /** 0: never by itself. */
  readonly renewDays: number;
  readonly trial: TrialTimes;
};

export type AgentPorts = {
  /** Whether `open` needs no network. */
  isEnrolled(): Promise<boolean>;
  /** Opens the device, and bootstraps it first where that is still to be done. */
  open(): Promise<Device>;
  readonly record: StateStore;
  readonly machine: Machine;
  readonly slots: AgentSlots;
  readonly hooks: (keeper: RecordKeeper, say: Say) => Hooks;
  readonly commands: (keeper: RecordKeeper, say: Say) => CommandHandlers;
  readonly manager: ServiceManager;
  readonly waker: Waker;
  readonly say: Say;
  readonly random: () => number;
};

type Round = "poll" | "again" | "send";

/** Until the service has said how often to poll. */
const firstPollSeconds = 3_600;
/** How often it looks for what nobody woke it for, and at the clock of a machine that may have slept. */
const tickSeconds = 30;
const secondsPerDay = 86_400;
/** After so long a backlog of readings lets go first what else is due. */
const longestSendSeconds = 30;
/** What is wrong with readings alone: neither firmware nor keys wait for it. */
const ofReadings: ReadonlySet<DeviceErrorCode> = new Set(["refused", "not-registered", "reply-invalid", "no-space"]);

/** A device that runs by itself: one thing at a time, each as the SDK's verbs do it, killed at any moment and started again. */
export class Agent {
  readonly #ports: AgentPorts;
  readonly #options: AgentOptions;
  readonly #keeper: RecordKeeper;
  readonly #firmware: FirmwareKeeper;
  readonly #commands: CommandHandlers;
  #device: Device | null = null;
  /** Whether the running firmware may be confirmed; null before that is known, and once it is. */
  #isDecided: boolean | null = null;
  /** Uptime at which readings that wait, or what was put off, is next. */
  #sendAt = Infinity;
  #againAt = Infinity;
  #puttingOff = 0;
  /** Readings that the service did not take wait for the next round of another kind. */
  #isSendPutOff = false;

  private constructor(ports: AgentPorts, options: AgentOptions, keeper: RecordKeeper) {
    this.#ports = ports;
    this.#options = options;
    this.#keeper = keeper;
    const { slots, machine } = ports;
    const say = this.#say;
    this.#commands = ports.commands(keeper, say);
    this.#firmware = new FirmwareKeeper({
      slots,
      hooks: ports.hooks(keeper, say),
      keeper,
      machine,
      times: options.trial,
      say,
    });
  }

  /**
   * Runs until the waker says stop.
   * @throws DeviceError for what no retry mends, as a device that was revoked
   */
  static async run(ports: AgentPorts, options: AgentOptions): Promise<void> {
    const { machine } = ports;
    const keeper = await RecordKeeper.open(ports.record, machine.bootId, machine.uptimeSeconds());
    const agent = new Agent(ports, options, keeper);
    try {
      await agent.#run();
    } finally {
      await keeper.changeIfRoom({});
    }
  }

  async #run(): Promise<void> {
    const { waker, manager } = this.#ports;
    await endLeftOver(this.#keeper, this.#say);
    if (await this.#ports.isEnrolled()) await this.#open();
    await this.#settleStart();
    await manager.ready();
    // Nothing of this needs the network, so it waits for no turn.
    this.#isDecided = await this.#firmware.watchTrial(
      async (seconds) => waker.sleep(seconds, ["stop"]),
      () => waker.stopped,
    );
    for (let round = await this.#next(); round; round = await this.#next()) await this.#take(round);
    this.#say({ act: "stop", outcome: "done" });
    if (waker.stopped) await manager.stopping();
  }

  /** A start of the machine and one of the agent alone differ: the first begins a new schedule, the second goes on with the one that there is. */
  async #settleStart(): Promise<void> {
    const { machine, random } = this.#ports;
    const { bootId, due } = this.#keeper.record;
    const hasRestarted = bootId !== machine.bootId && bootId !== "" && machine.bootId !== "";
    const now = machine.uptimeSeconds();
    if (hasRestarted) {
      const wait = returnDelay(this.#pollSeconds(), random);
      await this.#firmware.settleBoot({ bootId: machine.bootId, due: now + wait, rounds: 0, failures: 0 });
    } else if (machine.bootId === "" || bootId === "") {
      // Nobody knows whether the uptime in the record is one of this start.
      await this.#keeper.changeIfRoom({ bootId: machine.bootId, due: Math.min(due, now) });
    }
    this.#say({
      act: "start",
      outcome: hasRestarted ? "machine" : "agent",
      detail: { nextSeconds: Math.max(0, this.#keeper.record.due - now) },
    });
  }

  /** @returns null when it is to stop */
  async #next(): Promise<Round | null> {
    const { waker, machine, manager } = this.#ports;
    for (;;) {
      if (waker.stopped) return null;
      manager.alive();
      if (waker.take("poll")) return "poll";
      const now = machine.uptimeSeconds();
      const { due } = this.#keeper.record;
      if (now >= due) return "poll";
      const isQuiet = this.#isQuiet;
      if (!isQuiet) await this.#lookForReadings(now);
      if (!isQuiet && now >= this.#sendAt) return "send";
      if (!isQuiet && now >= this.#againAt) return "again";
      const until = Math.min(due, isQuiet ? Infinity : Math.min(this.#sendAt, this.#againAt));
      await waker.sleep(Math.min(until - now, tickSeconds), [
        "poll",
        "stop",
        ...(isQuiet || !this.#isLooking ? [] : (["readings"] as const)),
      ]);
    }
  }

  get #isLooking(): boolean {
    return this.#sendAt === Infinity && !this.#isSendPutOff;
  }

  async #lookForReadings(now: number): Promise<void> {
    const { waker } = this.#ports;
    const device = this.#device;
    if (!device || !this.#isLooking) return;
    waker.take("readings");
    if (device.status().phase !== "registered") return;
    // A folder that cannot be read is found, and judged, by the round that sends.
    const holdsSome = await device.readingStatus().then(
      ({ records }) => records > 0,
      () => true,
    );
    if (holdsSome) this.#sendAt = now + this.#options.sendEverySeconds;
  }

  /** Before the first round since the machine's start, and between retries, nothing but the schedule speaks. */
  get #isQuiet(): boolean {
    const { rounds, failures } = this.#keeper.record;
    return rounds === 0 || failures > 0;
  }

  async #take(round: Round): Promise<void> {
    const { machine, random, waker } = this.#ports;
    try {
      const isPutOff = await this.#work(round);
      const { rounds } = this.#keeper.record;
      const now = machine.uptimeSeconds();
      this.#settlePutOff(round, isPutOff);
      if (round !== "poll") return;
      const next = now + pollDelay(this.#pollSeconds(), rounds === 0, random);
      await this.#keeper.changeIfRoom({ rounds: rounds + 1, failures: 0, due: next });
      this.#say({ act: "wait", outcome: "done", detail: { nextSeconds: next - now } });
    } catch (error) {
      if (!isDeviceError(error)) throw error;
      if (error.code === "aborted" && waker.stopped) return;
      this.#say({ act: "error", outcome: error.code, detail: { why: error.why || undefined } });
      if (meaningOf(error.code) === "end") throw error;
      const failures = this.#keeper.record.failures + 1;
      const wait = retryDelay(failures, this.#pollSeconds(), random);
      await this.#keeper.changeIfRoom({ failures, due: machine.uptimeSeconds() + wait });
      this.#say({ act: "wait", outcome: "retry", detail: { failures, nextSeconds: wait } });
    }
  }

  /** A round of readings alone says nothing about what else is put off. */
  #settlePutOff(round: Round, isPutOff: boolean): void {
    const { machine, random } = this.#ports;
    const isMore = round === "send";
    if (isPutOff) {
      this.#puttingOff += 1;
      const again = machine.uptimeSeconds() + retryDelay(this.#puttingOff, this.#pollSeconds(), random);
      this.#againAt = isMore ? Math.min(this.#againAt, again) : again;
    } else if (!isMore) {
      this.#puttingOff = 0;
      this.#againAt = Infinity;
    }
  }

  /** @returns whether something is put off */
  async #work(round: Round): Promise<boolean> {
    const device = await this.#open();
    await this.#register(device);
    if (this.#isDecided) {
      await this.#firmware.confirm(device);
      this.#isDecided = null;
    }
    let isPutOff = await this.#command(device);
    const wasWaiting = isWaiting(device);
    isPutOff = (await this.#send(device)) || isPutOff;
    if (round !== "send") isPutOff = (await this.#update(device, round === "poll")) || isPutOff;
    if (round === "poll") await this.#renew(device);
    // A reply of this round said so: the next one begins with it.
    if (isWaiting(device) && !wasWaiting) this.#sendAt = this.#ports.machine.uptimeSeconds();
    return isPutOff;
  }

  /**
   * Does the commands that wait, as replies say it.
   * @returns whether one wants to be asked again
   */
  async #command(device: Device): Promise<boolean> {
    if (device.status().phase !== "registered") return false;
    await device.handleCommands({
      handlers: this.#commands,
      onSettled: ({ name, commandId, status }) =>
        this.#say({ act: "command", outcome: status, detail: { name, commandId } }),
    });
    return isInHand(device);
  }

  /**
   * Sends what is stored, for so long; the rest follows after what else is due.
   * @returns whether the service did not take it
   */
  async #send(device: Device): Promise<boolean> {
    const { machine, manager } = this.#ports;
    this.#sendAt = Infinity;
    this.#isSendPutOff = false;
    if (device.status().phase !== "registered") return false;
    const until = machine.uptimeSeconds() + longestSendSeconds;
    try {
      const { sent, refused, unknown } = await device.flushReadings({
        between: async () => {
          manager.alive();
          if (isWaiting(device) && !isInHand(device)) await this.#command(device);
          if (machine.uptimeSeconds() < until) return true;
          this.#sendAt = until;
          return false;
        },
      });
      if (sent + refused + unknown === 0) return false;
      const lost = { refused: refused || undefined, unknown: unknown || undefined };
      this.#say({ act: "send", outcome: "done", detail: { sent, ...lost } });
    } catch (error) {
      if (!isDeviceError(error) || !ofReadings.has(error.code)) throw error;
      this.#isSendPutOff = true;
      this.#say({ act: "send", outcome: error.code, detail: { why: error.why || undefined } });
    }
    return this.#isSendPutOff;
  }

  async #open(): Promise<Device> {
    if (this.#device) return this.#device;
    const device = await this.#ports.open();
    this.#device = device;
    const { deviceId, phase } = device.status();
    this.#say({ act: "bootstrap", outcome: phase, detail: { deviceId } });
    return device;
  }

  /** What the command line says counts where it says something; of the firmware, what the slots know counts, unless something newer was flashed. */
  async #register(device: Device): Promise<void> {
    const { slots } = this.#ports;
    const known = device.status();
    const {
      model = known.model,
      hardware = known.hardware,
      capabilities = known.capabilities ?? [],
    } = this.#options.profile;
    const given = this.#options.profile.firmware;
    const running = await slots.status().then(
      (status) => (status.trial ? null : status.running),
      () => undefined,
    );
    if (given && running !== null && given.counter > (running?.counter ?? -1)) await slots.install(given);
    const firmware = known.firmware ?? running ?? given;
    if (model === undefined || hardware === undefined || !firmware) return;
    const isKnown =
      known.model === model &&
      known.hardware === hardware &&
      capabilities.join(" ") === (known.capabilities ?? []).join(" ");
    if (isKnown) return;
    await device.register({ model, hardware, firmware, capabilities });
    this.#say({ act: "register", outcome: "done", detail: { model, hardware, version: firmware.version } });
  }

  async #update(device: Device, ask: boolean): Promise<boolean> {
    if (device.status().phase !== "registered") return false;
    try {
      return await this.#firmware.update(device, ask, () => this.#ports.manager.alive());
    } catch (error) {
      if (!isDeviceError(error) || meaningOf(error.code) !== "go-on") throw error;
      this.#say({ act: "firmware", outcome: error.code, detail: { why: error.why || undefined } });
      return false;
    }
  }

  async #renew(device: Device): Promise<void> {
    const { renewDays } = this.#options;
    const { certified, time, signingKey } = device.status();
    if (renewDays <= 0 || certified === undefined || time === undefined || signingKey === undefined) return;
    if (time < Math.max(renewalTime(certified, renewDays, shareOf(signingKey)), this.#keeper.record.renewAfter)) return;
    try {
      await device.renewKeys();
      this.#say({ act: "renew", outcome: "done", detail: { signingKey: device.status().signingKey } });
    } catch (error) {
      if (!isDeviceError(error) || error.code !== "refused") throw error;
      this.#say({ act: "renew", outcome: "refused", detail: { why: error.why } });
      await this.#keeper.changeIfRoom({ renewAfter: time + secondsPerDay });
    }
  }

  #pollSeconds(): number {
    return this.#device?.status().pollSeconds ?? firstPollSeconds;
  }

  readonly #say = (act: Act): void => {
    this.#keeper.note(act, this.#device?.status().time ?? null);
    this.#ports.manager.status(act);
    this.#ports.say(act);
  };
}

function isWaiting(device: Device): boolean {
  return device.status().commands?.waiting ?? false;
}

/** One that said later. */
function isInHand(device: Device): boolean {
  return Boolean(device.status().commands?.hand);
}

/** [0, 1), the same for the whole life of a key: its thumbprint is a random number. */
function shareOf(thumbprint: string): number {
  return new DataView(decodeBase64url(thumbprint, "thumbprint").buffer).getUint32(0) / 2 ** 32;
}
