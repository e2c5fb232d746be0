import { registrationBodySchema } from "@sealpost/protocol/exchanges/registration.ts";
import * as z from "zod/mini";

import { deviceTarget, readJournal } from "../store/journal.ts";
import type { Store } from "../store/port.ts";
import {
  type DeviceStatus,
  type IdentityRecord,
  type JournalAction,
  type JournalRecord,
  deviceKeysSchema,
  parseRecord,
} from "../store/records.ts";

/** What the journal says of every certificate issued. */
const certifiedDetailSchema = z.object({
  keys: deviceKeysSchema,
  certificate: z.string(),
  serialNumber: z.string(),
  credentialId: z.uuid(),
});

const renewedDetailSchema = z.object({
  keys: deviceKeysSchema,
  previousKeys: deviceKeysSchema,
  certificate: z.string(),
  seq: z.int(),
});

const renewalEndedDetailSchema = z.object({ seq: z.int() });

const deregisteredDetailSchema = z.object({ receipt: z.string(), keys: deviceKeysSchema });

/** What of a device no restore may take back: its status, and its identity. */
export type Life = { readonly status: DeviceStatus; readonly identity: IdentityRecord };

/** A device's journal, which no backup of the tables rolls back (delivery rule 12). */
export type Recollection = {
  /** What its first certificate was issued for; absent if the journal knows none. */
  readonly certified?: z.infer<typeof certifiedDetailSchema> & { readonly created: number };
  /** Brings what a table says up to what happened; what is newer in the table stays. */
  readonly upToDate: (life: Life) => Life;
};

export async function recallDevice(store: Pick<Store, "list">, deviceId: string): Promise<Recollection> {
  const entries = await readJournal(store, deviceTarget(deviceId));
  const certified = entries.find(({ action }) => action === "device.certified");
  return {
    ...(certified
      ? { certified: { ...parseRecord(certifiedDetailSchema, certified.detail), created: certified.time } }
      : {}),
    upToDate: (life) => [registered, renewed, revoked, deregistered].reduce((is, turn) => turn(is, entries), life),
  };
}

/** What the device said of itself last. An entry of the same second may be the one that the table is from, and the table may know more. */
function registered(life: Life, entries: readonly JournalRecord[]): Life {
  const last = lastOf(entries, "device.registered");
  if (!last) return life;
  const { registration } = life.identity;
  const known = registration !== undefined && registration.at >= last.time;
  return {
    status: life.status === "provisioned" ? "registered" : life.status,
    identity: known
      ? life.identity
      : { ...life.identity, registration: { ...parseRecord(registrationBodySchema, last.detail), at: last.time } },
  };
}

/** By seq: within one second the order of entries is that of their names. */
function renewed(life: Life, entries: readonly JournalRecord[]): Life {
  const latest = entries
    .filter(({ action }) => action === "device.renewed")
    .map(({ detail }) => parseRecord(renewedDetailSchema, detail))
    .toSorted((a, b) => a.seq - b.seq)
    .at(-1);
  if (!latest) return life;
  const { seq, keys, certificate, previousKeys } = latest;
  const { previousKeys: _, ...kept } = life.identity;
  const identity = { ...kept, keys, certificate, renewalSeq: seq };
  return { ...life, identity: hasEnded(entries, seq) ? identity : { ...identity, previousKeys } };
}

/** Whether the keys before this renewal ended: they must never speak again. */
function hasEnded(entries: readonly JournalRecord[], renewalSeq: number): boolean {
  return entries.some(
    ({ action, detail }) =>
      action === "device.renewal-ended" && parseRecord(renewalEndedDetailSchema, detail).seq === renewalSeq,
  );
}

function revoked(life: Life, entries: readonly JournalRecord[]): Life {
  return lastOf(entries, "device.revoked") ? { ...life, status: "revoked" } : life;
}

/** Over a revocation too: a device that left in the instant of its revocation has its receipt. */
function deregistered(life: Life, entries: readonly JournalRecord[]): Life {
  const entry = lastOf(entries, "device.deregistered");
  if (!entry) return life;
  const { receipt, keys } = parseRecord(deregisteredDetailSchema, entry.detail);
  const { previousKeys: _, ...identity } = life.identity;
  return { status: "deregistered", identity: { ...identity, keys, receipt } };
}

function lastOf(entries: readonly JournalRecord[], action: JournalAction): JournalRecord | undefined {
  return entries.findLast((entry) => entry.action === action);
}
