import { base64url256 } from "@sealpost/protocol/token/keys.ts";
import { signingJwkSchema, encryptionJwkSchema } from "@sealpost/protocol/suites/suites.ts";
import { credentialMembers } from "@sealpost/protocol/operator/credentials.ts";
import {
  type DeviceStatus,
  deviceMembers,
  deviceStatuses,
  updateMembers,
} from "@sealpost/protocol/operator/devices.ts";
import { releaseMembers, withdrawalMembers } from "@sealpost/protocol/operator/releases.ts";
import * as z from "zod/mini";

import { Fault } from "../fault/fault.ts";
import type { Item } from "./port.ts";

/** Shapes of the stored items. docs/storage.md says who writes each, and for how long it lives. */

const seconds = z.int().check(z.nonnegative());
const revision = z.int().check(z.nonnegative());
const shard = z.string().check(z.length(1));

export type { DeviceStatus };

export const credentialRecordSchema = z.object({
  ...credentialMembers,
  shard,
  revision,
  status: z.enum(["issued", "spent", "revoked"]),
  /** SHA-256 of the secret, base64url; the secret has at least 128 random bits, so no slow hash is needed. */
  secretHash: base64url256,
  /** TTL of DynamoDB; absent once the credential is spent. */
  expires: z.optional(seconds),
});
export type CredentialRecord = z.infer<typeof credentialRecordSchema>;

export const deviceKeysSchema = z.object({ signingKey: signingJwkSchema, encryptionKey: encryptionJwkSchema });
/** A device's two public keys. */
export type DeviceKeys = z.infer<typeof deviceKeysSchema>;

export const identityRecordSchema = z.object({
  /** `status` is a copy of the window's, for lists. */
  ...deviceMembers,
  item: z.literal("identity"),
  shard,
  revision,
  keys: deviceKeysSchema,
  /** Base64 DER of the certificate over `keys`. */
  certificate: z.string(),
  /** The keys before the last renewal, until a message arrives under the new ones. */
  previousKeys: z.optional(deviceKeysSchema),
  /** seq of the last applied renewal. */
  renewalSeq: z.int(),
  /** `seq` is of the report: one that was overtaken changes nothing. */
  update: z.optional(z.object({ ...updateMembers, seq: z.int() })),
  /** Releases that failed here or were rolled back: offered again on request alone. */
  givenUp: z.optional(z.array(z.int())),
  /** Receipt of the de-registration: this item is a tombstone. */
  receipt: z.optional(z.string()),
  /** Revision of the item that no restore takes back (registry/life.ts), as of this state. */
  life: z.optional(revision),
});
export type IdentityRecord = z.infer<typeof identityRecordSchema>;

/** The commands of a device that have no end, as its own items know them; see registry/commands.ts. */
export const commandsRecordSchema = z.object({
  /** The number of the newest command ever given. */
  highest: z.int(),
  /** Number; 1 once delivered; from when on it must not be started. */
  open: z.array(z.tuple([z.int(), z.literal([0, 1]), z.optional(seconds)])),
});
export type CommandsRecord = z.infer<typeof commandsRecordSchema>;

/** The small hot item: what every message reads and writes. */
export const windowRecordSchema = z.object({
  deviceId: z.uuid(),
  item: z.literal("window"),
  revision,
  /** Revision of the identity item that belongs to this state. */
  identityRevision: revision,
  status: z.enum(deviceStatuses),
  /** Key generation under which this item may be written; a restore raises it (delivery rule 14). */
  generation: z.int(),
  ack: z.int(),
  high: z.int(),
  /** Packed status and digest of each seq in (high − W, high]; see registry/window-codec.ts. */
  outcomes: z.custom<Uint8Array>((value) => value instanceof Uint8Array),
  /** Results of unacknowledged messages by seq. */
  results: z.record(z.string(), z.record(z.string(), z.unknown())),
  /** Time of the last accepted message; absent before the first. */
  lastSeen: z.optional(seconds),
  /** The time up to which acts are paid for; see registry/budget.ts. */
  paidUntil: z.optional(seconds),
  /** Absent: the device was never given a command. */
  commands: z.optional(commandsRecordSchema),
  /** What the last write measured, for the table's stream alone; see registry/readings.ts. */
  readings: z.optional(z.custom<Uint8Array>((value) => value instanceof Uint8Array)),
});
export type WindowRecord = z.infer<typeof windowRecordSchema>;

export const releaseRecordSchema = z.object({
  /** `<model>#<hardware>`. */
  target: z.string(),
  /** Release counter. */
  counter: z.int().check(z.positive()),
  /** On one item of each release alone: the list index shows it once. */
  shard: z.optional(shard),
  revision,
  /** `<ISO time>#<object>`, orders lists. */
  at: z.string(),
  release: z.object(releaseMembers),
  /** The signed manifest (co-signed JWTs). */
  manifest: z.array(z.string()),
  /** The content key, encrypted by the secrets key with the context `{ object }`; base64. */
  wrappedKey: z.string(),
  publishedBy: z.string(),
  withdrawn: z.optional(z.object(withdrawalMembers)),
});
export type ReleaseRecord = z.infer<typeof releaseRecordSchema>;

/** What a target is offered: the one item that every check reads, of the same size whatever was published. */
export const offersRecordSchema = z.object({
  target: z.string(),
  /** No release has this counter. */
  counter: z.literal(0),
  revision,
  /** Counter of the newest release that was ever published. */
  highest: z.int(),
  /** Newest first. */
  offers: z.array(z.object({ counter: z.int(), exp: seconds })),
});
export type OffersRecord = z.infer<typeof offersRecordSchema>;

export const trustRecordSchema = z.object({
  item: z.literal("trust"),
  revision,
  version: z.int(),
  /** Documents that changed the root, oldest first, then the newest document. */
  chain: z.array(z.array(z.string())),
});
export type TrustRecord = z.infer<typeof trustRecordSchema>;

export const keySetRecordSchema = z.object({
  item: z.literal("keySet"),
  version: z.int(),
  keySet: z.string(),
});
export type KeySetRecord = z.infer<typeof keySetRecordSchema>;

/** Parses a stored item; one that does not fit is our fault, never the caller's. */
export function parseRecord<T>(schema: z.ZodMiniType<T>, item: Item): T {
  const parsed = schema.safeParse(item);
  if (parsed.success) return parsed.data;
  const path = parsed.error.issues[0]?.path.join(".") ?? "";
  throw new Fault("unavailable", `stored item does not fit at ${path}`);
}

export function shardOf(id: string): string {
  return id.slice(0, 1);
}
