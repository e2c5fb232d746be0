import { type CredentialPackage, credentialPackageSchema } from "@sealpost/protocol/bootstrap.ts";
import { commandsNext, commandsResult } from "@sealpost/protocol/exchanges/commands.ts";
import type { RequestOf } from "@sealpost/protocol/exchanges/define-exchange.ts";
import { deregistration } from "@sealpost/protocol/exchanges/deregistration.ts";
import { firmwareCheck, firmwareReport } from "@sealpost/protocol/exchanges/firmware.ts";
import { readings } from "@sealpost/protocol/exchanges/readings.ts";
import { registration } from "@sealpost/protocol/exchanges/registration.ts";
import { renewal } from "@sealpost/protocol/exchanges/renewal.ts";
import { memberOf } from "@sealpost/protocol/token/jws.ts";

import type { CommandHandlers, HandledCommand } from "./commands/command-handler.ts";
import { CommandRunner } from "./commands/command-runner.ts";
import { settleCommandsNext, settleCommandsResult } from "./commands/settle.ts";
import { alignKeys } from "./keys/align-keys.ts";
import { Patience } from "./delivery/patience.ts";
import type { SettleRows } from "./delivery/settle-row.ts";
import { settleDeregistration } from "./deregistration.ts";
import { settleFirmwareCheck, settleFirmwareReport } from "./firmware/settle.ts";
import { settleRenewal } from "./identity/renewal.ts";
import { settleReadings } from "./readings/settle.ts";
import type { Flushed, Reading, SendOptions, Sent } from "./readings/reading.ts";
import { ReadingFlow, requireSpool } from "./readings/reading-flow.ts";
import { spoolReadings } from "./readings/spooling.ts";
import { settleRegistration } from "./registration.ts";
import { exchangeCertificates } from "./identity/bootstrap.ts";
import { certifiedAt } from "./identity/device-certificate.ts";
import { KeyRenewal } from "./identity/key-renewal.ts";
import { thumbprints } from "./keys/device-keys.ts";
import { DeviceError, isDeviceError } from "./device-error.ts";
import type { DeviceStatus } from "./state/device-status.ts";
import { FirmwareUpdate } from "./firmware/update.ts";
import type { BootVerdict, FirmwareOffer, UpdateProgress } from "./firmware/firmware-offer.ts";
import { type DeviceOptions, type Settings, type VerbOptions, requireBase, toSettings } from "./options.ts";
import { requireDone } from "./delivery/outcome.ts";
import { Outbox, checkBody } from "./delivery/outbox.ts";
import type { Boot } from "./delivery/outbox-ports.ts";
import type {
  BootstrapTransport,
  DeviceKeys,
  DevicePorts,
  FirmwareVersion,
  KeyStore,
  ReadingSpool,
  SpoolStatus,
  Uptime,
} from "./ports.ts";
import { ServiceKeys } from "./trust/service-keys.ts";
import type { DeviceState } from "./state/state.ts";
import { statusOf } from "./state/status-of.ts";
import { StateCell } from "./state/state-cell.ts";

/** What a device says of itself when it registers. */
export type DeviceProfile = {
  readonly model: string;
  readonly hardware: string;
  readonly firmware: FirmwareVersion;
  readonly capabilities?: readonly string[];
};

/** A device's word on a firmware release. `reason` is a short stable code such as `no-space`. */
export type FirmwareReport = {
  readonly counter: number;
  readonly state: "downloading" | "verified" | "installed" | "failed" | "rolled-back";
  readonly reason?: string;
};

/** What a successful reply changes here: a row for each exchange. */
const settleRows: SettleRows = {
  [registration.operation]: settleRegistration,
  [firmwareCheck.operation]: settleFirmwareCheck,
  [firmwareReport.operation]: settleFirmwareReport,
  [readings.operation]: settleReadings,
  [commandsNext.operation]: settleCommandsNext,
  [commandsResult.operation]: settleCommandsResult,
  [renewal.operation]: settleRenewal,
  [deregistration.operation]: settleDeregistration,
};

type Line = {
  readonly serviceKeys: ServiceKeys;
  readonly outbox: Outbox;
  readonly firmware: FirmwareUpdate;
  readonly renewals: KeyRenewal;
  readonly commands: CommandRunner;
  readonly boot: Boot;
  readonly flow: ReadingFlow | undefined;
};
type Begun = Line & { readonly patience: Patience };

/**
 * A device, its verbs one by one the exchanges of the protocol. Every verb may be killed at any moment and called again; it goes on where it
 * stopped. Every verb throws `DeviceError` and nothing else but faults of the ports. One process at a time may use the same stores.
 */
export class Device {
  readonly #settings: Settings;
  readonly #cell: StateCell;
  /** Null once the device has de-registered: there is nobody to talk to. */
  readonly #line: Line | null;
  readonly #spool: ReadingSpool | undefined;

  private constructor(settings: Settings, cell: StateCell, spool: ReadingSpool | undefined, line: Line | null) {
    this.#settings = settings;
    this.#cell = cell;
    this.#spool = spool;
    this.#line = line;
  }

  /**
   * Spends a credential package on an identity, over one TLS connection. Killed at any point and called again with the same package it
   * completes, with the same keys; called once more after that it opens the device without touching the network.
   * @param input.credentialPackage the parsed JSON that the operator handed out; not trusted to have the right shape
   * @throws DeviceError `package-invalid` · `other-service` · `already-bootstrapped` · `deregistered` · `credential-refused` ·
   *   `certificate-conflict` · `answer-not-trusted` · `tls-not-trusted` · `unreachable` · `aborted` · `service-fault` · `home-broken`
   */
  static async bootstrap(input: {
    readonly credentialPackage: unknown;
    readonly ports: DevicePorts & { readonly bootstrap: BootstrapTransport };
    readonly options?: DeviceOptions;
  }): Promise<Device> {
    const { ports, options = {} } = input;
    const settings = toSettings(options);
    const credential = parsePackage(input.credentialPackage);
    const cell = await StateCell.load(ports.state);
    const { state } = cell;
    if (state) checkSameDevice(state, credential);
    if (state?.phase !== "enrolled") {
      const keys = await startOver(ports.keys, cell, credential);
      await cell.replace(await exchangeCertificates(credential, keys, ports.bootstrap, new Patience(settings)));
    }
    return Device.open({ ports, options });
  }

  /**
   * Opens a device that was bootstrapped, or one that has left, for its receipt.
   * @throws DeviceError `not-bootstrapped` · `home-broken` · `keys-missing` · `argument-invalid`
   */
  static async open(input: { readonly ports: DevicePorts; readonly options?: DeviceOptions }): Promise<Device> {
    const { ports } = input;
    const settings = toSettings(input.options ?? {});
    const cell = await StateCell.load(ports.state);
    await alignKeys(cell.state, ports.keys);
    if (cell.state?.phase === "deregistered") return new Device(settings, cell, ports.readings, null);
    const serviceKeys = await ServiceKeys.open(cell, settings.timing);
    const present = await ports.keys.load("current");
    if (!present) throw new DeviceError("keys-missing", "the key store is empty");
    const { keys, messages, slots, readings: spool } = ports;
    const boot = await startOfMachine(ports.uptime, settings);
    const outboxPorts = { cell, keys, messages, serviceKeys, settings, boot, settleRows };
    const outbox = new Outbox(outboxPorts);
    const firmware = new FirmwareUpdate(outboxPorts, outbox, slots);
    const renewals = new KeyRenewal(outboxPorts, outbox, await thumbprints(present));
    const commands = new CommandRunner(outboxPorts, outbox);
    const flow = spool && new ReadingFlow(outboxPorts, outbox, spool);
    return new Device(settings, cell, spool, { serviceKeys, outbox, firmware, renewals, commands, boot, flow });
  }

  /** Tells the service what this device is. Again whenever that changes. */
  async register(profile: DeviceProfile, options?: VerbOptions): Promise<{ readonly pollSeconds: number }> {
    const { model, hardware, firmware, capabilities = [] } = profile;
    const body = checkBody(registration, { model, hardware, firmware, capabilities: [...capabilities] });
    const { outbox, patience } = await this.#begin(options);
    requireDone(await outbox.deliver(await outbox.enqueue(registration, body), patience));
    return { pollSeconds: this.#cell.enrolled.pollSeconds ?? 0 };
  }

  /**
   * Asks for newer firmware.
   * @param input.again also for a release that failed here or was rolled back, which is otherwise no offer any more
   * @returns null when there is none
   */
  async checkFirmware(input: VerbOptions & { readonly again?: boolean } = {}): Promise<FirmwareOffer | null> {
    const { firmware, patience } = await this.#begin(input);
    return firmware.check(patience, input.again ?? false);
  }

  /**
   * Downloads and verifies what is on offer (asking first if need be), writes it to the inactive slot and tells the bootloader to try it.
   * @param input.again as for `checkFirmware`
   * @returns what the next boot will try; null when there is nothing newer
   */
  async updateFirmware(
    input: VerbOptions & { readonly again?: boolean; readonly onProgress?: (progress: UpdateProgress) => void } = {},
  ): Promise<FirmwareOffer | null> {
    const { firmware, patience } = await this.#begin(input);
    return firmware.apply(patience, input.again ?? false, input.onProgress ?? (() => {}));
  }

  /**
   * For every start: confirms new firmware, or finds that the bootloader went back, and reports it. `nothing` is the usual answer, and needs no
   * network.
   */
  async confirmBoot(options?: VerbOptions): Promise<BootVerdict> {
    const { firmware, patience } = this.#open(options);
    return firmware.confirm(patience);
  }

  /** For devices that install firmware by other means than `updateFirmware`. */
  async reportFirmware(report: FirmwareReport, options?: VerbOptions): Promise<void> {
    const { counter, state, reason } = report;
    const sent = checkBody(firmwareReport, { counter, state, ...(reason === undefined ? {} : { reason }) });
    const { firmware, patience } = await this.#begin(options);
    await firmware.report(sent, patience);
  }

  /**
   * Stores readings durably until `flushReadings` sends them; needs no network. A reading without a time is stamped with what the device knows of it.
   * @returns how many were stored, and how many older ones were dropped to make room
   * @throws DeviceError `argument-invalid` · `spool-full` · `no-space` · `revoked` · `gone` · `deregistered`
   */
  async send(stream: string, records: readonly Reading[], options: SendOptions = {}): Promise<Sent> {
    const { boot } = this.#open();
    const { ended, bootTime } = this.#cell.enrolled;
    if (ended) throw new DeviceError(ended, "");
    return spoolReadings({ stream, records, ...options }, { spool: requireSpool(this.#spool), boot, known: bootTime });
  }

  /**
   * Sends what is stored, oldest first, one message at a time.
   * @param input.between awaited before each message, so that what matters more does not wait behind a backlog; after `false` nothing more is sent
   */
  async flushReadings(
    input: VerbOptions & { readonly between?: () => Promise<boolean | void> } = {},
  ): Promise<Flushed> {
    const { flow, patience } = await this.#begin(input);
    requireSpool(this.#spool);
    if (!this.#cell.enrolled.profile) throw new DeviceError("not-registered", "");
    return flow ? flow.flush(patience, input.between ?? (async () => {})) : { sent: 0, refused: 0, unknown: 0 };
  }

  /** What waits to be sent, and what never will be. */
  async readingStatus(): Promise<SpoolStatus & { readonly refused: number }> {
    this.#open();
    return { ...(await requireSpool(this.#spool).status()), refused: this.#cell.enrolled.readings.refused };
  }

  /**
   * Does what the operator says, one command after another until there is none, and delivers what became of each. It asks when a reply said that
   * something waits. A command is started at most once, unless it is repeatable.
   * @param input.ask also when none said so
   * @param input.onSettled told of each command at once, so that what was done is known whatever comes after it
   * @returns what was settled now
   * @throws DeviceError `refused` · `not-registered` also where the service did not take a result; it is not sent again
   */
  async handleCommands(
    input: VerbOptions & {
      readonly handlers: CommandHandlers;
      readonly ask?: boolean;
      readonly onSettled?: (handled: HandledCommand) => void;
    },
  ): Promise<readonly HandledCommand[]> {
    const { commands, patience } = await this.#begin(input);
    if (!this.#cell.enrolled.profile) throw new DeviceError("not-registered", "");
    const { handlers, ask = false, onSettled = () => {} } = input;
    const signals = [this.#settings.signal, input.signal].filter((signal) => signal !== undefined);
    return commands.run(patience, { handlers, ask, onSettled, signal: AbortSignal.any(signals) });
  }

  /** Replaces both key pairs and the certificate. The old signing key is gone once the service's answer is verified. */
  async renewKeys(options?: VerbOptions): Promise<void> {
    const { renewals, patience } = await this.#begin(options);
    await renewals.renew(patience);
  }

  /**
   * Leaves the service for good, after every message that is queued was delivered. Readings that are still stored are not sent: `flushReadings` first.
   * Keys are erased once the receipt is verified.
   * @returns the signed receipt, also when called again, and how many readings (records) were stored and never will be sent
   */
  async deregister(
    input: VerbOptions & { readonly reason?: string } = {},
  ): Promise<{ readonly receipt: string; readonly unsent: number }> {
    const { reason } = input;
    const body = checkBody(deregistration, reason === undefined ? {} : { reason });
    const held = this.#cell.state?.phase === "deregistered" ? 0 : await this.#leave(await this.#begin(input), body);
    const { state } = this.#cell;
    if (state?.phase !== "deregistered") throw new DeviceError("reply-invalid", "it left no receipt");
    const stored = (await this.#spool?.list()) ?? [];
    return { receipt: state.receipt, unsent: stored.reduce((sum, { records }) => sum + records, held) };
  }

  /** What is known here, without asking anyone. */
  status(): DeviceStatus {
    const { state } = this.#cell;
    if (!this.#line || state?.phase !== "enrolled") return statusOf(state);
    const { serviceKeys, renewals } = this.#line;
    const certified = certifiedAt(state.certificate);
    return { ...statusOf(state, serviceKeys), signingKey: renewals.signingKey, certified };
  }

  /** @returns how many readings go with the state */
  async #leave({ outbox, commands, flow, patience }: Begun, body: RequestOf<typeof deregistration>): Promise<number> {
    const underWay = this.#cell.enrolled.queue.pending.find(isDeregistration);
    const seq = underWay?.seq ?? (await enqueueLast({ outbox, commands }, body, patience));
    // From here on nothing takes readings any more.
    const held = (await flow?.close()) ?? 0;
    requireDone(await outbox.deliver(seq, patience));
    return held;
  }

  /** Somebody to talk to, and the caller's patience. */
  #open(options?: VerbOptions): Begun {
    if (!this.#line || this.#cell.state?.phase === "deregistered") throw new DeviceError("deregistered", "");
    return { ...this.#line, patience: new Patience(this.#settings, options) };
  }

  /** What a verb that sends begins with: a certificate of the present keys, too. */
  async #begin(options?: VerbOptions): Promise<Begun> {
    const begun = this.#open(options);
    const isLeaving = this.#cell.enrolled.queue.pending.some(isDeregistration);
    if (!isLeaving) await begun.renewals.restoreCertificate(begun.patience);
    return begun;
  }
}

/** Where the port is missing, it began with this process. */
async function startOfMachine(uptime: Uptime | undefined, { timing }: Settings): Promise<Boot> {
  if (uptime) return { id: await uptime.bootId(), seconds: () => uptime.seconds() };
  return { id: crypto.randomUUID(), seconds: () => timing.monotonic() };
}

/** Everything else first, also what another caller queues meanwhile. */
async function enqueueLast(
  { outbox, commands }: Pick<Line, "outbox" | "commands">,
  body: RequestOf<typeof deregistration>,
  patience: Patience,
): Promise<number> {
  for (;;) {
    await commands.settleHand(patience);
    await outbox.flush(patience);
    try {
      return await outbox.enqueue(deregistration, body, (state) => {
        if (state.commands.hand && !state.ended) throw new DeviceError("queue-full", "a command is in hand");
        return state;
      });
    } catch (error) {
      if (!isDeviceError(error) || error.code !== "queue-full") throw error;
    }
  }
}

function isDeregistration({ operation }: { readonly operation: string }): boolean {
  return operation === deregistration.operation;
}

/**
 * Keys belong to one credential: the same one goes on with them, another one starts with fresh ones. The state comes first, so keys without it
 * are those of a device whose state was lost, and are left alone.
 */
async function startOver(store: KeyStore, cell: StateCell, credential: CredentialPackage): Promise<DeviceKeys> {
  const { state } = cell;
  if (!state && (await store.load("current"))) throw new DeviceError("home-broken", "there are keys but no state");
  const resumed = state?.phase === "bootstrapping" && state.credential.credentialId === credential.credentialId;
  if (state && !resumed) await store.erase();
  await cell.replace({ format: 1, phase: "bootstrapping", credential });
  return store.create("current");
}

function checkSameDevice(state: DeviceState, credential: { serviceId: string; credentialId: string }): void {
  const { serviceId, credentialId } = state.phase === "bootstrapping" ? state.credential : state;
  if (state.phase === "deregistered") throw new DeviceError("deregistered", `it was ${state.deviceId}`);
  if (serviceId !== credential.serviceId) {
    throw new DeviceError("other-service", `it belongs to ${serviceId}, the package to ${credential.serviceId}`);
  }
  if (state.phase === "enrolled" && credentialId !== credential.credentialId) {
    throw new DeviceError("already-bootstrapped", `it is device ${state.deviceId}`);
  }
}

function parsePackage(given: unknown): CredentialPackage {
  const parsed = credentialPackageSchema.safeParse(given);
  if (!parsed.success) throw new DeviceError("package-invalid", `${memberOf(parsed.error)} is missing or not allowed`);
  const { bootstrapUrl, ...rest } = parsed.data;
  return { ...rest, bootstrapUrl: requireBase("bootstrapUrl", bootstrapUrl, ["https"], "package-invalid") };
}
