import { registrationBodySchema } from "@sealpost/protocol/exchanges/registration.ts";
import { ecPublicJwkSchema } from "@sealpost/protocol/keys.ts";
import * as z from "zod/mini";

import { deviceTarget } from "../store/journal.ts";
import type { Store } from "../store/port.ts";
import { type JournalAction, type JournalRecord, journalRecordSchema, parseRecord } from "../store/records.ts";
import { type Device, newDevice } from "./device.ts";

/** What the journal says of every certificate issued. */
const certifiedDetailSchema = z.object({
  keys: z.object({ signingKey: ecPublicJwkSchema, encryptionKey: ecPublicJwkSchema }),
  certificate: z.string(),
  serialNumber: z.string(),
  credentialId: z.uuid(),
});

const renewedDetailSchema = z.object({
  keys: certifiedDetailSchema.shape.keys,
  previousKeys: certifiedDetailSchema.shape.keys,
  certificate: z.string(),
  seq: z.int(),
});

const renewalEndedDetailSchema = z.object({ seq: z.int() });

const endings: ReadonlySet<JournalAction> = new Set(["device.revoked", "device.deregistered"]);

/**
 * A device that a restored registry does not know, rebuilt from the journal, which no backup of the tables rolls back (delivery rule 12).
 * Undefined if the journal does not know it either, or says that it is revoked or gone.
 */
export async function recallDevice(store: Pick<Store, "list">, deviceId: string): Promise<Device | undefined> {
  const entries = await readEntries(store, deviceTarget(deviceId));
  if (entries.some(({ action }) => endings.has(action))) return undefined;
  const certified = entries.find(({ action }) => action === "device.certified");
  if (!certified) return undefined;
  const { keys, certificate, serialNumber, credentialId } = parseRecord(certifiedDetailSchema, certified.detail);
  const created = newDevice({ deviceId, serialNumber, credentialId, keys, certificate, created: certified.time });
  const device = withRegistration(created, entries);
  const renewed = latestRenewal(entries);
  if (!renewed) return device;
  const { seq, previousKeys, ...latest } = renewed;
  const identity = { ...device.identity, ...latest, renewalSeq: seq };
  return { ...device, identity: hasEnded(entries, seq) ? identity : { ...identity, previousKeys } };
}

/** What the device said of itself last. */
function withRegistration(device: Device, entries: readonly JournalRecord[]): Device {
  const last = entries.findLast(({ action }) => action === "device.registered");
  if (!last) return device;
  const registration = { ...parseRecord(registrationBodySchema, last.detail), at: last.time };
  return { ...device, status: "registered", identity: { ...device.identity, registration } };
}

/** All of them: whoever has much to say must not push its own ending off the first page. */
async function readEntries(store: Pick<Store, "list">, target: string): Promise<JournalRecord[]> {
  const entries: JournalRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list({
      table: "journal",
      partition: ["target", target],
      limit: 1_000,
      ...(cursor === undefined ? {} : { cursor }),
    });
    entries.push(...page.items.map((item) => parseRecord(journalRecordSchema, item)));
    cursor = page.cursor;
  } while (cursor !== undefined);
  return entries;
}

/** By seq: within one second the order of entries is that of their names. */
function latestRenewal(entries: readonly JournalRecord[]) {
  return entries
    .filter(({ action }) => action === "device.renewed")
    .map(({ detail }) => parseRecord(renewedDetailSchema, detail))
    .toSorted((a, b) => a.seq - b.seq)
    .at(-1);
}

/** Whether the keys before this renewal ended: they must never speak again. */
function hasEnded(entries: readonly JournalRecord[], renewalSeq: number): boolean {
  return entries.some(
    ({ action, detail }) =>
      action === "device.renewal-ended" && parseRecord(renewalEndedDetailSchema, detail).seq === renewalSeq,
  );
}
