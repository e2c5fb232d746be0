import {
  type FirmwareCheckBody,
  type FirmwareReportBody,
  type FirmwareState,
  firmwareCheck,
  firmwareReport,
} from "@sealpost/protocol/exchanges/firmware.ts";

import { boundedTransport } from "../delivery/bounded-transport.ts";
import type { Patience } from "../delivery/patience.ts";
import { WaitingLine } from "../delivery/waiting-line.ts";
import { DeviceError, isDeviceError } from "../device-error.ts";
import { downloadImage } from "./download.ts";
import type { BootVerdict, FirmwareOffer, UpdateProgress } from "./firmware-offer.ts";
import { requireDone } from "../delivery/outcome.ts";
import type { OutboxPorts } from "../delivery/outbox-ports.ts";
import type { Outbox } from "../delivery/outbox.ts";
import type { FirmwareSlots, FirmwareVersion } from "../ports.ts";
import type { RegistrationBody } from "@sealpost/protocol/exchanges/registration.ts";
import type { Enrolled, Update } from "../state/state.ts";
import { tryOrder } from "../trust/addresses.ts";

/**
 * Figure 6 from the device's side. Each step is one durable write together with the report about it, so after a crash the next call goes on
 * where the last one stopped and no report is lost or told twice.
 */
export class FirmwareUpdate {
  readonly #ports: OutboxPorts;
  readonly #outbox: Outbox;
  readonly #slots: FirmwareSlots | undefined;
  /** There is one inactive slot: two that write it would spoil each other's image. */
  readonly #line = new WaitingLine();

  constructor(ports: OutboxPorts, outbox: Outbox, slots: FirmwareSlots | undefined) {
    this.#ports = ports;
    this.#outbox = outbox;
    this.#slots = slots;
  }

  /** @param again also for a release that was given up here */
  async check(patience: Patience, again: boolean): Promise<FirmwareOffer | null> {
    // A registration that was cut off may still be on its way.
    await this.#outbox.flush(patience);
    const { profile, update: present } = this.#ports.cell.enrolled;
    if (!profile) throw new DeviceError("not-registered", "");
    const body: FirmwareCheckBody = {
      firmware: profile.firmware,
      ...(present && isFor(present, profile) ? { held: present.manifest.counter } : {}),
      ...(again ? { again } : {}),
    };
    const seq = await this.#outbox.enqueue(firmwareCheck, body);
    requireDone(await this.#outbox.deliver(seq, patience));
    const { update } = this.#ports.cell.enrolled;
    return update && offerOf(update);
  }

  /** Downloads what is on offer and hands it to the bootloader. */
  async apply(
    patience: Patience,
    again: boolean,
    onProgress: (progress: UpdateProgress) => void,
  ): Promise<FirmwareOffer | null> {
    const slots = this.#requireSlots();
    return this.#line.take(patience, async () => this.#apply(slots, patience, again, onProgress));
  }

  async #apply(
    slots: FirmwareSlots,
    patience: Patience,
    again: boolean,
    onProgress: (progress: UpdateProgress) => void,
  ): Promise<FirmwareOffer | null> {
    const { trial, running } = await slots.status();
    if (trial) throw new DeviceError("on-trial", "");
    await this.#noteInstalled(running);
    if (!this.#ports.cell.enrolled.update) await this.check(patience, again);
    for (;;) {
      const { update } = this.#ports.cell.enrolled;
      if (!update) return null;
      await this.#download(update, slots, patience, onProgress);
      // A check that came meanwhile may have found another offer, or none: then this image goes nowhere.
      const isOffered = isSameOffer(update, this.#ports.cell.enrolled.update);
      if (isOffered) await this.#hand(slots, update);
      await this.#outbox.flush(patience);
      if (isOffered) return offerOf(update);
    }
  }

  /** What became of the update, told by whatever firmware runs now. */
  async confirm(patience: Patience): Promise<BootVerdict> {
    const verdict = this.#untold() ?? (await this.#judgeBoot());
    // A start that confirms nothing needs no network.
    if (verdict !== "nothing") await this.#outbox.flush(patience);
    return verdict;
  }

  /** The end of an update that was found before and is still to be delivered. */
  #untold(): BootVerdict | undefined {
    const { update, queue } = this.#ports.cell.enrolled;
    const last = queue.pending.findLast(({ operation }) => operation === firmwareReport.operation)?.body["state"];
    return !update && (last === "installed" || last === "rolled-back") ? last : undefined;
  }

  async #judgeBoot(): Promise<BootVerdict> {
    const { update, profile } = this.#ports.cell.enrolled;
    const slots = this.#slots;
    // What runs is known from the registration on.
    if (!slots || !profile) return "nothing";
    const { running, trial, next } = await slots.status();
    // Whatever runs, also what nobody here knows of: it works.
    if (trial) await slots.confirm();
    if (await this.#noteInstalled(running)) return "installed";
    // Where `bootable` is not written down, the power may have failed before the bootloader was told.
    if (next || update?.stage !== "bootable") return "nothing";
    const { counter } = update.manifest;
    const also = (before: Enrolled) => ({ ...before, update: null, givenUp: withCounter(before.givenUp, counter) });
    await this.#report(counter, "rolled-back", also);
    return "rolled-back";
  }

  /**
   * Tells of firmware that runs and was not told of yet: what was handed over, or anything newer than what is known, since a later offer may have
   * taken the place of what was handed over. There is no way back below it.
   * @returns whether there was any
   */
  async #noteInstalled({ version, counter }: FirmwareVersion): Promise<boolean> {
    const { profile, update } = this.#ports.cell.enrolled;
    const isHanded = isHandedOver(update) && update.manifest.counter === counter;
    if (!profile || (!isHanded && counter <= profile.firmware.counter)) return false;
    await this.#report(counter, "installed", (before) => ({
      ...before,
      update: before.update && before.update.manifest.counter > counter ? before.update : null,
      profile: before.profile && { ...before.profile, firmware: { version, counter } },
    }));
    return true;
  }

  async report(report: FirmwareReportBody, patience: Patience): Promise<void> {
    const { counter, state } = report;
    const isGivenUp = state === "failed" || state === "rolled-back";
    const also = (before: Enrolled) =>
      isGivenUp ? { ...before, givenUp: withCounter(before.givenUp, counter) } : before;
    requireDone(await this.#outbox.deliver(await this.#outbox.enqueue(firmwareReport, report, also), patience));
  }

  async #download(
    update: Update,
    slots: FirmwareSlots,
    patience: Patience,
    onProgress: (progress: UpdateProgress) => void,
  ): Promise<void> {
    const { stage, manifest, contentKey, written = 0 } = update;
    if (contentKey === null) return;
    const { counter } = manifest;
    if (stage === "offered") await this.#report(counter, "downloading", changed(update, { stage: "downloading" }));
    await this.#outbox.flush(patience);
    if (manifest.exp <= this.#ports.serviceKeys.clock.now()) await this.#fail(counter, "expired", patience);
    const { messages, cell, settings } = this.#ports;
    const urls = tryOrder(cell.enrolled, settings.via).map((base) => `${base}/firmware`);
    const { recordList } = settings;
    const onWritten = (bytes: number) =>
      recordList === "use" ? Promise.resolve() : cell.change(changed(update, { written: bytes }));
    const download = {
      manifest,
      contentKey,
      recordList,
      written,
      urls,
      messages: boundedTransport(messages, patience, urls.length),
      slots,
      patience,
      onWritten,
      onProgress,
    };
    const whole = await downloadImage(download).catch((error: unknown) => {
      if (!isDeviceError(error) || error.code !== "no-space") throw error;
      return this.#fail(counter, "no-space", patience, error);
    });
    if (!whole) await this.#fail(counter, "image-mismatch", patience);
    if (!isSameOffer(update, cell.enrolled.update)) return;
    // The content key is kept only while it is needed.
    await this.#report(counter, "verified", changed(update, { stage: "verified", contentKey: null }));
  }

  async #hand(slots: FirmwareSlots, update: Update): Promise<void> {
    if (this.#ports.cell.enrolled.update?.stage !== "verified") return;
    const { version, counter } = update.manifest;
    await slots.markBootable({ version, counter });
    await this.#ports.cell.change(changed(update, { stage: "bootable" }));
  }

  /** @param error what it throws once that is reported; the release is at fault where nothing else is */
  async #fail(counter: number, reason: string, patience: Patience, error?: DeviceError): Promise<never> {
    const also = (state: Enrolled) => ({
      ...state,
      update: state.update?.manifest.counter === counter ? null : state.update,
      givenUp: withCounter(state.givenUp, counter),
    });
    await this.#report(counter, "failed", also, reason);
    await this.#outbox.flush(patience);
    throw error ?? new DeviceError("firmware-failed", `${reason}, release ${counter}`);
  }

  async #report(
    counter: number,
    state: FirmwareState,
    also: (state: Enrolled) => Enrolled,
    reason?: string,
  ): Promise<void> {
    const body = { counter, state, ...(reason === undefined ? {} : { reason }) };
    await this.#outbox.enqueue(firmwareReport, body, also);
  }

  #requireSlots(): FirmwareSlots {
    if (!this.#slots) throw new DeviceError("no-update", "this device has no firmware slots");
    return this.#slots;
  }
}

/** What a step changes of its own update, and of no other that took its place. */
function changed(update: Update, change: Partial<Update>): (state: Enrolled) => Enrolled {
  return (state) =>
    state.update && isSameOffer(state.update, update) ? { ...state, update: { ...state.update, ...change } } : state;
}

function isSameOffer(one: Update, other: Update | null): boolean {
  return one.manifest.object === other?.manifest.object;
}

function isHandedOver(update: Update | null): update is Update {
  return update?.stage === "verified" || update?.stage === "bootable";
}

/** Release counters are those of a model and hardware: only there does one name a release. */
function isFor({ manifest }: Update, { model, hardware }: RegistrationBody): boolean {
  return manifest.model === model && manifest.hardware.includes(hardware);
}

/** Older ones are forgotten: what is published by then is newer. */
const givenUpCounters = 16;

function withCounter(givenUp: Enrolled["givenUp"], counter: number): number[] {
  return [...givenUp.filter((other) => other !== counter), counter].slice(-givenUpCounters);
}

function offerOf({ manifest: { version, counter, size } }: Update): FirmwareOffer {
  return { version, counter, size };
}
