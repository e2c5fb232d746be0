import * as z from "zod/mini";

import type { Device } from "../device.ts";
import type { FirmwareSlots, FirmwareVersion, SlotStatus } from "../ports.ts";
import { isDeviceError } from "../device-error.ts";
import type { Say } from "./acts.ts";
import type { Hooks } from "./hooks.ts";
import type { Machine } from "./machine.ts";
import type { AgentRecord, RecordKeeper } from "./record.ts";
import { type TrialTimes, judgeTrial } from "./trial.ts";

/** Slots whose boot loader is the machine's own: what it did is told to them after the fact. */
export type AgentSlots = FirmwareSlots & {
  /** @param comesUp whether the machine runs what was to be tried; without anything to be tried, the trial is over and it went back */
  boot(comesUp: boolean): Promise<void>;
  install(running: FirmwareVersion): Promise<void>;
  /** Where the image of the inactive slot lies. */
  imagePath(): Promise<string>;
};

export type FirmwarePorts = {
  readonly slots: AgentSlots;
  readonly hooks: Hooks;
  readonly keeper: RecordKeeper;
  readonly machine: Machine;
  readonly times: TrialTimes;
  readonly say: Say;
};

const runningSchema = z.object({ version: z.string(), counter: z.int() });

/** An update from the machine's side: what comes before the download, the restart, the trial after it, and who is told of its end. */
export class FirmwareKeeper {
  readonly #ports: FirmwarePorts;
  /** What `restart` is still to be asked for. */
  #wanted: "try" | "roll-back" | null = null;

  constructor(ports: FirmwarePorts) {
    this.#ports = ports;
  }

  /**
   * After a start of the machine: what the boot loader did. It tried what it was to try, or it went back, also when what was tried did not come
   * up; `running` says which, and where nobody says it, it did as it was told.
   * @param start what the record says of this start; kept with what is settled, or the same start would be judged again
   */
  async settleBoot(start: Partial<AgentRecord>): Promise<void> {
    const { slots, keeper, say } = this.#ports;
    const before = await this.#status();
    // The slots may have been told before the agent was killed: then another firmware runs for them.
    const settling = before && (keeper.record.settling ?? (await this.#judgeStart(before)));
    if (!settling) return keeper.change(start);
    if (settling !== keeper.record.settling) await keeper.change({ settling });
    if (before.running.counter === settling.from) await slots.boot(settling.comesUp);
    await keeper.change({ ...start, settling: null, trial: null });
    const { trial, running } = await slots.status();
    say({ act: "boot", outcome: trial ? "on-trial" : "went-back", detail: { ...running } });
  }

  async #judgeStart({ next, trial, running }: SlotStatus): Promise<AgentRecord["settling"]> {
    if (!next && !trial) return null;
    const found = await this.#askRunning();
    const from = running.counter;
    if (next) return { from, comesUp: !found || found.counter === next.counter };
    // Some boot loaders try a firmware more than once.
    return found?.counter === from ? null : { from, comesUp: false };
  }

  /** @returns whether the firmware that runs is decided about, so that `confirmBoot` may say what became of it; null when it was to stop first */
  async watchTrial(sleep: (seconds: number) => Promise<void>, stopped: () => boolean): Promise<boolean | null> {
    const { hooks, keeper, machine, times, say } = this.#ports;
    const status = await this.#status();
    if (!status?.trial) return true;
    const { running } = status;
    const known = keeper.record.trial;
    const trial =
      known?.counter === running.counter
        ? known
        : { counter: running.counter, since: machine.uptimeSeconds(), bad: false };
    if (trial !== known) await keeper.change({ trial });
    if (!trial.bad) {
      const { since } = trial;
      const { uptimeSeconds } = machine;
      const verdict = await judgeTrial({ firmware: running, since, times, hooks, uptimeSeconds, sleep, stopped });
      if (verdict === null) return null;
      say({ act: "firmware", outcome: verdict, detail: { ...running } });
      if (verdict === "healthy") return true;
      await keeper.change({ trial: { ...trial, bad: true } });
    }
    this.#wanted = "roll-back";
    await this.askRestart();
    return false;
  }

  /** Confirms what was decided about, and says what became of an update. */
  async confirm(device: Device): Promise<void> {
    const { keeper, say } = this.#ports;
    const before = device.status();
    const outcome = await device.confirmBoot();
    if (outcome === "nothing") return;
    const { version, counter } = outcome === "installed" ? (device.status().firmware ?? {}) : (before.update ?? {});
    say({ act: "firmware", outcome, detail: { version, counter } });
    await keeper.change({ trial: null, untold: { version: version ?? "", counter: counter ?? 0, outcome } });
    await this.tellEnd();
  }

  /** Tells `after-update`, until it has heard. */
  async tellEnd(): Promise<void> {
    const { keeper, hooks } = this.#ports;
    const { untold } = keeper.record;
    if (!untold) return;
    const { outcome, ...firmware } = untold;
    const { kind } = await hooks.run("after-update", { firmware, outcome });
    if (kind !== "later") await keeper.change({ untold: null });
  }

  /**
   * Takes newer firmware as far as the restart.
   * @param ask the service; else goes on with what is known
   * @returns whether something is put off, and to be asked for again before the next poll
   */
  async update(device: Device, ask: boolean, onProgress: () => void): Promise<boolean> {
    const { slots, hooks, say, keeper } = this.#ports;
    await this.tellEnd();
    const status = await this.#status();
    if (!status || status.trial) return this.#wanted !== null && this.askRestart();
    const offer = ask ? await device.checkFirmware() : device.status().update;
    if (!offer) {
      if (ask) say({ act: "firmware", outcome: "nothing-newer" });
      return keeper.record.untold !== null;
    }
    if (status.next?.counter === offer.counter) return this.#tryAgain();
    const may = await hooks.run("before-update", {
      firmware: versionOf(offer),
      size: offer.size,
      running: status.running,
    });
    if (may.kind === "later") {
      say({ act: "firmware", outcome: "later", detail: { version: offer.version, counter: offer.counter } });
      return true;
    }
    if (may.kind === "failed") return this.#giveUp(device, offer);
    const taken = await device.updateFirmware({ onProgress });
    if (!taken) return false;
    say({ act: "firmware", outcome: "ready", detail: { version: taken.version, counter: taken.counter } });
    const next = await slots.status();
    return next.next ? this.#tryAgain() : false;
  }

  async #giveUp(device: Device, { version, counter }: FirmwareVersion): Promise<boolean> {
    const { say, keeper } = this.#ports;
    await device.reportFirmware({ counter, state: "failed", reason: "before-update" });
    say({ act: "firmware", outcome: "failed", detail: { version, counter, reason: "before-update" } });
    await keeper.change({ untold: { version, counter, outcome: "failed" } });
    await this.tellEnd();
    return false;
  }

  async #tryAgain(): Promise<boolean> {
    this.#wanted = "try";
    return this.askRestart();
  }

  /** @returns whether it was put off */
  async askRestart(): Promise<boolean> {
    const { slots, hooks, say } = this.#ports;
    const why = this.#wanted;
    if (!why) return false;
    const { next, running } = await slots.status();
    const firmware = next ?? running;
    const image = await slots.imagePath();
    const { kind } = await hooks.run("restart", why === "try" ? { why, firmware, image } : { why, firmware });
    say({
      act: "boot",
      outcome: kind === "done" ? "restarting" : kind === "later" ? "later" : "waiting-for-restart",
      detail: { why, version: firmware.version, counter: firmware.counter },
    });
    return kind === "later" || kind === "failed";
  }

  /** Null before the registration, when nobody has said what runs. */
  async #status(): Promise<SlotStatus | null> {
    return this.#ports.slots.status().catch((error: unknown) => {
      if (isDeviceError(error) && error.code === "not-registered") return null;
      throw error;
    });
  }

  async #askRunning(): Promise<FirmwareVersion | null> {
    const ended = await this.#ports.hooks.run("running", {});
    const parsed = ended.kind === "done" ? runningSchema.safeParse(ended.output) : null;
    return parsed?.success ? parsed.data : null;
  }
}

function versionOf({ version, counter }: FirmwareVersion): FirmwareVersion {
  return { version, counter };
}
