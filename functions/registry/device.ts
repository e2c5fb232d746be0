import { Fault } from "../fault.ts";
import type { Key, Put, Store } from "../store/port.ts";
import {
  type DeviceKeys,
  type DeviceStatus,
  type IdentityRecord,
  identityRecordSchema,
  parseRecord,
  shardOf,
  windowRecordSchema,
} from "../store/records.ts";
import { type Window, emptyWindow } from "./window.ts";
import { decodeWindow, encodeWindow } from "./window-codec.ts";

/** A device as the registry holds it: two items, read in one call. */
export type Device = {
  readonly identity: IdentityRecord;
  readonly status: DeviceStatus;
  readonly window: Window;
  readonly lastSeen?: number;
  /** Revision of the window item; what is stored must still have it when we write. Absent: not stored yet. */
  readonly windowRevision?: number;
};

/**
 * @param generation the key generation that this function works under (delivery rule 14)
 * @throws Fault `unavailable` if the stored item is of another generation: a function from before a restore must neither read nor write
 */
export async function readDevice(
  store: Pick<Store, "read">,
  deviceId: string,
  generation: number,
): Promise<Device | undefined> {
  const [identityItem, windowItem] = await store.read(deviceItems(deviceId));
  if (!identityItem || !windowItem) return undefined;
  const record = parseRecord(windowRecordSchema, windowItem);
  if (record.generation !== generation) throw new Fault("unavailable", "stored item is of another key generation");
  return {
    identity: parseRecord(identityRecordSchema, identityItem),
    status: record.status,
    window: decodeWindow(record),
    windowRevision: record.revision,
    ...(record.lastSeen === undefined ? {} : { lastSeen: record.lastSeen }),
  };
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
  return { identity: { ...input, ...base }, status, window: emptyWindow };
}

/** Ends a renewal: from now on these keys alone speak for the device. */
export function settleKeys({ previousKeys: _, ...identity }: IdentityRecord, keys: DeviceKeys): IdentityRecord {
  return { ...identity, keys };
}

/**
 * The puts that take the registry from one state of a device to the next. The window item is always among them: its revision, and with it
 * status, window and key generation, is a condition of every change to a device, so revocation wins its races.
 */
export function devicePuts(before: Device, after: Device, generation: number): Put[] {
  const { identity, status, window, lastSeen, windowRevision } = after;
  const windowPut: Put = {
    table: "devices",
    item: {
      deviceId: identity.deviceId,
      item: "window",
      revision: (windowRevision ?? -1) + 1,
      status,
      generation,
      ...encodeWindow(window),
      ...(lastSeen === undefined ? {} : { lastSeen }),
    },
    when: windowRevision === undefined ? "absent" : { revision: windowRevision, generation },
  };
  const created = windowRevision === undefined;
  if (!created && identity === before.identity && status === before.status) return [windowPut];
  const { revision } = before.identity;
  const identityPut: Put = {
    table: "devices",
    item: { ...identity, status, revision: revision + 1 },
    when: created ? "absent" : { revision },
  };
  return [windowPut, identityPut];
}

function deviceItems(deviceId: string): Key[] {
  return [
    { table: "devices", key: { deviceId, item: "identity" } },
    { table: "devices", key: { deviceId, item: "window" } },
  ];
}
