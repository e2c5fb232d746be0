import { Fault } from "../lambda/fault.ts";
import type { Key, Put, Store } from "../store/port.ts";
import {
  type DeviceKeys,
  type DeviceStatus,
  type IdentityRecord,
  type RevocationRecord,
  type WindowRecord,
  identityRecordSchema,
  parseRecord,
  shardOf,
  windowRecordSchema,
} from "../store/records.ts";
import { recallDevice } from "./recall.ts";
import { type Window, emptyWindow } from "./window.ts";
import { decodeWindow, encodeWindow } from "./window-codec.ts";

/** A device as the registry holds it. */
export type Device = {
  readonly identity: IdentityRecord;
  readonly status: DeviceStatus;
  readonly window: Window;
  readonly lastSeen?: number;
  readonly stored: Stored;
};

/** What the items had when they were read and must still have when we write. Absent: the item is not stored. */
export type Stored = {
  readonly window?: { readonly revision: number; readonly generation: number; readonly status: DeviceStatus };
  readonly identity?: { readonly revision: number };
};

/** A torn read needs another change of the device's life between the two reads; after this many the device tries again later. */
const reads = 8;

/**
 * Reads a device in one call. One that was last written before a restore, or that a restore lost, is brought up to what the journal says of it
 * (delivery rules 12 and 14); the next write stores it so.
 * @param generation the key generation that this function works under
 * @throws Fault `unavailable` if the stored item is of a later generation: a function from before a restore must neither read nor write;
 *   `throttled` if the device's life changed during every read
 */
export async function readDevice(
  store: Pick<Store, "read" | "list">,
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
  return toDevice(items, { identity, status: window.status });
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
  return { identity: { ...input, ...base }, status, window: emptyWindow, stored: {} };
}

/** Ends a renewal: from now on these keys alone speak for the device. */
export function settleKeys({ previousKeys: _, ...identity }: IdentityRecord, keys: DeviceKeys): IdentityRecord {
  return { ...identity, keys };
}

/**
 * The puts that take the registry from one state of a device to the next. The window item is always among them: its revision, status and key
 * generation are conditions of every change to a device (delivery rule 4).
 */
export function devicePuts(before: Device, after: Device, generation: number): Put[] {
  const { window: storedWindow, identity: storedIdentity } = before.stored;
  const { identity, status, window, lastSeen } = after;
  // What the window item says of status and generation, the identity item must follow; in a restored table it may follow nothing.
  const changesIdentity =
    identity !== before.identity || status !== storedWindow?.status || generation !== storedWindow.generation;
  const identityRevision = before.identity.revision + (changesIdentity ? 1 : 0);
  const windowPut: Put = {
    table: "devices",
    item: {
      deviceId: identity.deviceId,
      item: "window",
      revision: (storedWindow?.revision ?? -1) + 1,
      identityRevision,
      status,
      generation,
      ...encodeWindow(window),
      ...(lastSeen === undefined ? {} : { lastSeen }),
    },
    when: storedWindow ?? "absent",
  };
  if (!changesIdentity) return [windowPut];
  const item = { ...identity, status, revision: identityRevision };
  return [windowPut, { table: "devices", item, when: storedIdentity ?? "absent" }];
}

/**
 * Says that a device is revoked, to every reader, in an item that nobody else writes: no message can win a race against it. Whoever writes the
 * device next writes that status, so only what was read before can still take effect, and only until then.
 */
export function revocationPut(deviceId: string): Put {
  const item: RevocationRecord = { deviceId, item: "revocation" };
  return { table: "devices", item, when: "absent" };
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
 * One call reads the items, but not in one instant. A window from before a restore makes no difference: a backup may itself be torn, the journal
 * has the last word, and the write puts both items under their own revisions.
 */
function isTorn({ identity, window }: Items, generation: number): boolean {
  if (window && window.generation !== generation) return false;
  return window?.identityRevision !== identity?.revision;
}

async function recalledDevice(store: Pick<Store, "list">, deviceId: string, items: Items): Promise<Device | undefined> {
  const { certified, upToDate } = await recallDevice(store, deviceId);
  const identity = items.identity ?? (certified && newDevice({ deviceId, ...certified }).identity);
  return identity && toDevice(items, upToDate({ identity, status: items.window?.status ?? identity.status }));
}

function toDevice(items: Items, { identity, status }: Pick<Device, "identity" | "status">): Device {
  const { window, isRevoked } = items;
  const stored: Stored = {
    ...(window ? { window: { revision: window.revision, generation: window.generation, status: window.status } } : {}),
    ...(items.identity ? { identity: { revision: items.identity.revision } } : {}),
  };
  return {
    identity,
    // Who left in the instant of the revocation has left.
    status: isRevoked && status !== "deregistered" ? "revoked" : status,
    window: window ? decodeWindow(window) : emptyWindow,
    stored,
    ...(window?.lastSeen === undefined ? {} : { lastSeen: window.lastSeen }),
  };
}

function deviceItems(deviceId: string): Key[] {
  return [
    { table: "devices", key: { deviceId, item: "identity" } },
    { table: "devices", key: { deviceId, item: "window" } },
    { table: "devices", key: { deviceId, item: "revocation" } },
  ];
}
