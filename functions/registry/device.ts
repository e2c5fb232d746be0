import { Fault } from "../fault/fault.ts";
import type { Key, Put, Store } from "../store/port.ts";
import {
  type DeviceKeys,
  type DeviceStatus,
  type IdentityRecord,
  type WindowRecord,
  identityRecordSchema,
  parseRecord,
  shardOf,
  windowRecordSchema,
} from "../store/records.ts";
import { type CommandRecord, closeCommands, readCommands } from "./command-items.ts";
import { type Commands, decodeCommands, encodeCommands, noCommands, recalledCommands } from "./commands.ts";
import type { DeviceEvent } from "./events.ts";
import { deviceTarget, journalPut } from "./journal.ts";
import { lifePut, nextRevision, readLife, revocationKey } from "./life.ts";
import { type AcceptedReadings, encodeReadings } from "./readings.ts";
import { isLiving } from "./status.ts";
import { type Window, emptyWindow } from "./window.ts";
import { decodeWindow, encodeWindow } from "./window-codec.ts";

/** A device as the registry holds it. */
export type Device = {
  readonly identity: IdentityRecord;
  readonly status: DeviceStatus;
  readonly window: Window;
  readonly lastSeen?: number;
  /** What of its budget it has used, see budget.ts. */
  readonly paidUntil?: number;
  readonly commands: Commands;
  /** The open commands whole, of a device that has ended: its next write ends them, too. */
  readonly closing?: readonly CommandRecord[];
  readonly stored: Stored;
};

/** What the items had when they were read and must still have when we write. Absent: the item is not stored. */
export type Stored = {
  readonly window?: { readonly revision: number; readonly generation: number; readonly status: DeviceStatus };
  readonly identity?: { readonly revision: number };
  readonly life?: { readonly revision: number };
};

/** A torn read needs another change of the device's life between the two reads; after this many the device tries again later. */
const reads = 8;

/**
 * Reads a device in one call. One that was last written before a restore, or that a restore lost, is brought up to what no restore takes back
 * (delivery rules 12 and 14); the next write stores it so.
 * @param generation the key generation that this function works under
 * @throws Fault `unavailable` if the stored item is of a later generation: a function from before a restore must neither read nor write;
 *   `throttled` if the device's life changed during every read
 */
export async function readDevice(
  store: Pick<Store, "read">,
  deviceId: string,
  generation: number,
): Promise<Device | undefined> {
  const device = await readState(store, deviceId, generation);
  if (!device || isLiving(device.status) || device.commands.open.length === 0) return device;
  const numbers = device.commands.open.map(({ n }) => n);
  return { ...device, closing: await readCommands(store, deviceId, numbers) };
}

async function readState(
  store: Pick<Store, "read">,
  deviceId: string,
  generation: number,
): Promise<Device | undefined> {
  let items = await readItems(store, deviceId);
  for (let read = 1; isTorn(items, generation) && read < reads; read += 1) items = await readItems(store, deviceId);
  const { identity, window } = items;
  if (window && window.generation > generation) throw new Fault("unavailable", "stored item is of a later generation");
  const present = identity && window?.generation === generation;
  if (!present) return recalledDevice(store, deviceId, items);
  if (isTorn(items, generation)) throw new Fault("throttled", "the device changed during every read");
  const { life } = identity;
  const said = { identity, status: window.status, commands: decodeCommands(window.commands) };
  return toDevice(items, said, life === undefined ? undefined : { revision: life });
}

/** A device that has a certificate and has not yet spoken. */
export function newDevice(input: {
  readonly deviceId: string;
  readonly serialNumber: string;
  readonly credentialId: string;
  readonly keys: DeviceKeys;
  readonly certificate: string;
  readonly created: number;
}): Device {
  const { deviceId } = input;
  const status = "provisioned";
  const base = { item: "identity", shard: shardOf(deviceId), revision: 0, renewalSeq: 0, status } as const;
  return { identity: { ...input, ...base }, status, window: emptyWindow, commands: noCommands, stored: {} };
}

/** Whether a reply tells the device to ask for commands. */
export function isAwaited({ status, commands }: Pick<Device, "status" | "commands">): boolean {
  return isLiving(status) && commands.open.length > 0;
}

/** What happened to a device in one change, by whom, and when. */
export type Happened = {
  readonly events: readonly DeviceEvent[];
  /** Of items beside the device's own. */
  readonly puts?: readonly Put[];
  readonly actor: string;
  readonly time: number;
};

/**
 * The puts that take the registry from one state of a device to the next. The window item is always among them: its revision, status and key
 * generation are conditions of every change to a device (delivery rule 4). What happens is recorded with it, and kept where no restore takes it
 * back (rule 12).
 * @param readings accepted in this very change; the table's stream publishes them, and the next change stores none
 */
export function devicePuts(
  before: Device,
  after: Device,
  generation: number,
  happened?: Happened,
  readings: readonly AcceptedReadings[] = [],
): Put[] {
  const { window: storedWindow, identity: storedIdentity, life: storedLife } = before.stored;
  const { status, window, lastSeen, paidUntil } = after;
  const { deviceId } = after.identity;
  const closed = before.closing && happened && closeCommands(after.commands, before.closing, happened.time);
  const commands = encodeCommands(closed?.commands ?? after.commands);
  const events = [...(happened?.events ?? []), ...(closed?.events ?? [])];
  const others = [...(happened?.puts ?? []), ...(closed?.puts ?? [])];
  // What the window item says of status and generation, the identity item must follow; in a restored table it may follow nothing.
  const changesIdentity =
    events.length > 0 ||
    after.identity !== before.identity ||
    status !== storedWindow?.status ||
    generation !== storedWindow.generation;
  const identityRevision = before.identity.revision + (changesIdentity ? 1 : 0);
  const revision = nextRevision(storedWindow?.revision);
  const windowPut: Put = {
    table: "devices",
    item: {
      deviceId,
      item: "window",
      revision,
      identityRevision,
      status,
      generation,
      ...encodeWindow(window),
      ...(lastSeen === undefined ? {} : { lastSeen }),
      ...(paidUntil === undefined ? {} : { paidUntil }),
      ...commands,
      ...(readings.length === 0 ? {} : { readings: encodeReadings(readings) }),
    },
    when: storedWindow ?? "absent",
  };
  if (!changesIdentity) return [windowPut, ...others];
  const life = events.length > 0 ? nextRevision(storedLife?.revision) : storedLife?.revision;
  const identity = { ...after.identity, status, revision: identityRevision, ...(life === undefined ? {} : { life }) };
  const identityPut: Put = { table: "devices", item: identity, when: storedIdentity ?? "absent" };
  if (!happened || events.length === 0) return [windowPut, identityPut, ...others];
  const { actor, time } = happened;
  const entries = events.map((event, n) =>
    // No two writes to a device have the same revision under one generation, and their order is that of what happened.
    journalPut(
      { ...event, target: deviceTarget(deviceId), actor, time },
      `${deviceId}-${generation}-${padded(revision)}-${n}`,
    ),
  );
  const kept = lifePut({ status, identity, ...commands }, storedLife?.revision);
  return [windowPut, identityPut, kept, ...others, ...entries];
}

function padded(revision: number): string {
  return String(revision).padStart(10, "0");
}

type Items = { readonly identity?: IdentityRecord; readonly window?: WindowRecord; readonly isRevoked: boolean };

async function readItems(store: Pick<Store, "read">, deviceId: string): Promise<Items> {
  const [identity, window, revocation] = await store.read(deviceItems(deviceId));
  return {
    ...(identity ? { identity: parseRecord(identityRecordSchema, identity) } : {}),
    ...(window ? { window: parseRecord(windowRecordSchema, window) } : {}),
    isRevoked: revocation !== undefined,
  };
}

/**
 * One call reads the items, but not in one instant. A window from before a restore makes no difference: a backup may itself be torn, what no
 * restore takes back has the last word, and the write puts both items under their own revisions.
 */
function isTorn({ identity, window }: Items, generation: number): boolean {
  if (window && window.generation !== generation) return false;
  return window?.identityRevision !== identity?.revision;
}

/** One more read, of one item: also for the device id of a forged message, since the signature can only be checked with what it finds. */
async function recalledDevice(store: Pick<Store, "read">, deviceId: string, items: Items): Promise<Device | undefined> {
  const life = await readLife(store, deviceId);
  const identity = life ? withNewestReport(life.identity, items.identity) : items.identity;
  if (!identity) return undefined;
  const status = life?.status ?? items.window?.status ?? identity.status;
  const commands = recalledCommands(decodeCommands(items.window?.commands), life && decodeCommands(life.commands));
  return toDevice(items, { identity, status, commands }, life && { revision: life.revision });
}

/** Progress of an update is no event: of it alone the table may know more. */
function withNewestReport(identity: IdentityRecord, stored: IdentityRecord | undefined): IdentityRecord {
  const { update } = stored ?? {};
  return update && update.seq > (identity.update?.seq ?? 0) ? { ...identity, update } : identity;
}

function toDevice(
  items: Items,
  { identity, status, commands }: Pick<Device, "identity" | "status" | "commands">,
  life: Stored["life"],
): Device {
  const { window, isRevoked } = items;
  const stored: Stored = {
    ...(life ? { life } : {}),
    ...(window ? { window: { revision: window.revision, generation: window.generation, status: window.status } } : {}),
    ...(items.identity ? { identity: { revision: items.identity.revision } } : {}),
  };
  return {
    identity,
    // Who left in the instant of the revocation has left.
    status: isRevoked && status !== "deregistered" ? "revoked" : status,
    window: window ? decodeWindow(window) : emptyWindow,
    commands,
    stored,
    ...(window?.lastSeen === undefined ? {} : { lastSeen: window.lastSeen }),
    ...(window?.paidUntil === undefined ? {} : { paidUntil: window.paidUntil }),
  };
}

function deviceItems(deviceId: string): Key[] {
  return [
    { table: "devices", key: { deviceId, item: "identity" } },
    { table: "devices", key: { deviceId, item: "window" } },
    revocationKey(deviceId),
  ];
}
