import { deviceStatuses } from "@sealpost/protocol/operator/devices.ts";
import * as z from "zod/mini";

import type { Key, Put, Store } from "../store/port.ts";
import { commandsRecordSchema, identityRecordSchema, parseRecord } from "../store/records.ts";

/**
 * What a device came to, beside its journal, under a fixed key that no restore takes back (delivery rules 12 and 14): put in the transaction of
 * every event that changes it. Whoever reads a device that a restore rolled back or lost needs this one item, however much the journal holds.
 */
const lifeRecordSchema = z.object({
  target: z.string(),
  at: z.literal("life"),
  /** Condition of the next put. */
  revision: z.int(),
  status: z.enum(deviceStatuses),
  identity: identityRecordSchema,
  /** Absent: the device was never given a command. */
  commands: z.optional(commandsRecordSchema),
});
type LifeRecord = z.infer<typeof lifeRecordSchema>;

export type Life = Pick<LifeRecord, "status" | "identity" | "commands">;

/** @param before revision of the present item; absent: there is none */
export function lifePut({ status, identity, commands }: Life, before: number | undefined): Put {
  const revision = nextRevision(before);
  const item: LifeRecord = {
    target: lifeTarget(identity.deviceId),
    at: "life",
    revision,
    status,
    identity,
    ...(commands ? { commands } : {}),
  };
  return { table: "journal", item, when: before === undefined ? "absent" : { revision: before } };
}

export function nextRevision(before: number | undefined): number {
  return (before ?? -1) + 1;
}

export async function readLife(
  store: Pick<Store, "read">,
  deviceId: string,
): Promise<(Life & { readonly revision: number }) | undefined> {
  const [item] = await store.read([{ table: "journal", key: { target: lifeTarget(deviceId), at: "life" } }]);
  return item && parseRecord(lifeRecordSchema, item);
}

/**
 * A revocation is an item of its own, which no message writes: no message can win a race against it. Whoever writes the device next writes that
 * status, so only what was read before can still take effect, and only until then.
 */
export function revocationPut(deviceId: string): Put {
  return { table: "journal", item: revocationKey(deviceId).key, when: "absent" };
}

/** That an item is there says all. */
export function revocationKey(deviceId: string): Key {
  return { table: "journal", key: { target: lifeTarget(deviceId), at: "revocation" } };
}

/** How a credential ended: spent for a device, or revoked. It ends once. */
const credentialEndSchema = z.discriminatedUnion("status", [
  z.object({ status: z.literal("spent"), deviceId: z.uuid() }),
  z.object({ status: z.literal("revoked") }),
]);
export type CredentialEnd = z.infer<typeof credentialEndSchema>;

export function credentialEndPut(credentialId: string, end: CredentialEnd): Put {
  return { table: "journal", item: { ...credentialEndKey(credentialId).key, ...end }, when: "absent" };
}

export function credentialEndKey(credentialId: string): Key {
  return { table: "journal", key: { target: lifeTarget(credentialId), at: "end" } };
}

export function parseCredentialEnd(item: { readonly [attribute: string]: unknown }): CredentialEnd {
  return parseRecord(credentialEndSchema, item);
}

/** Partition of what no restore takes back, for a device or a credential. */
export function lifeTarget(id: string): string {
  return `life#${id}`;
}
