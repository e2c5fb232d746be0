import type { Command } from "commander";

import { lineOf } from "../agent/acts.ts";
import { type AgentRecord, parseAgentRecord } from "../agent/record.ts";
import { DeviceError } from "../device-error.ts";
import { storedThumbprints } from "../keys/device-keys.ts";
import { toSettings } from "../options.ts";
import type { KeyStore, SpoolStatus } from "../ports.ts";
import type { DeviceStatus } from "../state/device-status.ts";
import type { Enrolled } from "../state/state.ts";
import { statusOf } from "../state/status-of.ts";
import { StateCell } from "../state/state-cell.ts";
import { ServiceKeys } from "../trust/service-keys.ts";
import { type Home, agentRecordStore, openHome } from "./home.ts";
import { formatBytes } from "./progress.ts";

export function registerStatus(program: Command): void {
  program
    .command("status")
    .summary("show what this device knows, without asking anyone")
    .description("Shows what this device knows of itself, without asking anyone.")
    .addHelpText("after", "\nExample:\n  $ sealpost-device status --json")
    .action(async (_options: unknown, command: Command) => {
      const home = openHome(command);
      const status = await readStatus(home);
      const record = await readRecord(home.folder);
      const spool = await home.ports.readings.status();
      const readings = spool.records + spool.dropped > 0 ? { readings: spool } : {};
      const agent = record && { failures: record.failures, acts: record.acts };
      const lines = [...linesOf({ ...status, ...readings }, home.folder), ...actLines(record)];
      home.output.result(lines, { ...status, ...readings, ...(agent && { agent }) });
    });
}

/** Reads alone, so it needs no lock, works beside a command that runs, and on a home that cannot be written. */
async function readStatus({ ports, options }: Home): Promise<DeviceStatus> {
  const cell = await StateCell.load(ports.state);
  const { state } = cell;
  if (state?.phase !== "enrolled") return statusOf(state);
  const serviceKeys = await ServiceKeys.open(cell, toSettings(options).timing);
  return { ...statusOf(state, serviceKeys), signingKey: await presentKey(ports.keys, state) };
}

/** What `run` wrote down, whether or not it runs. */
async function readRecord(folder: string): Promise<AgentRecord | null> {
  return parseAgentRecord(await agentRecordStore(folder).load());
}

const shownActs = 8;

function actLines(record: AgentRecord | null): string[] {
  const acts = record?.acts.slice(-shownActs) ?? [];
  return acts.map(({ time, ...act }, index) => {
    const when = time === null ? "" : `${new Date(time * 1000).toISOString().slice(0, 19)}Z  `;
    return `${(index === 0 ? "agent" : "").padEnd(12)} ${when}${lineOf(act)}`;
  });
}

/** The candidate once the state names it, and else whatever the store has: the state may have been put back from before a renewal. */
async function presentKey(keys: KeyStore, state: Enrolled): Promise<string> {
  const stored = await storedThumbprints(keys);
  const present = stored.find(({ signingKey }) => signingKey === state.signingKey) ?? stored[0];
  if (!present) throw new DeviceError("keys-missing", "the key store is empty");
  return present.signingKey;
}

const advice = {
  new: "sealpost-device bootstrap --package FILE",
  bootstrapping: "run `sealpost-device bootstrap` again with the same package",
  provisioned: "sealpost-device register --help",
  registered: "sealpost-device check",
  revoked: "the operator revoked this device",
  gone: "sealpost-device deregister",
  deregistered: "a new device starts in an empty --home",
} as const satisfies Record<DeviceStatus["phase"], string>;

function nextStep({ phase, update }: DeviceStatus): string {
  if (phase !== "registered" || !update) return advice[phase];
  return update.stage === "bootable" ? "sealpost-device boot" : "sealpost-device update";
}

function spoolLine({ records, bytes, dropped }: SpoolStatus): string {
  return `${records} to be sent (${formatBytes(bytes)})${dropped > 0 ? `, ${dropped} dropped for want of room` : ""}`;
}

function linesOf(status: DeviceStatus & { readonly readings?: SpoolStatus }, folder: string): string[] {
  const { phase, firmware, update, pending = [], unknown = [], readings } = status;
  const rows: readonly (readonly [string, string | undefined])[] = [
    ["home", folder],
    ["phase", phase],
    ["service", status.serviceId],
    ["device", status.deviceId],
    ["model", status.model && `${status.model} ${status.hardware}`],
    ["firmware", firmware && `${firmware.version} (release ${firmware.counter})`],
    ["update", update && `${update.version} (release ${update.counter}), ${update.stage}`],
    ["signing key", status.signingKey],
    ["pending", pending.map(({ seq, operation }) => `${operation} (seq ${seq})`).join(", ") || undefined],
    ["unknown", unknown.map(({ seq, operation, why }) => `${operation} (seq ${seq}, ${why})`).join(", ") || undefined],
    ["readings", readings && spoolLine(readings)],
    ["next", `→ ${nextStep(status)}`],
  ];
  return rows.flatMap(([label, value]) => (value === undefined ? [] : [`${label.padEnd(12)} ${value}`]));
}
