import { credentialPackageSchema } from "@sealpost/protocol/bootstrap.ts";
import { commandSchema } from "@sealpost/protocol/exchanges/commands.ts";
import { manifestClaimsSchema } from "@sealpost/protocol/exchanges/firmware.ts";
import { registrationBodySchema } from "@sealpost/protocol/exchanges/registration.ts";
import { base64url256, thumbprintSchema } from "@sealpost/protocol/token/keys.ts";
import { trustClaimsSchema } from "@sealpost/protocol/documents/trust.ts";
import * as z from "zod/mini";

import { DeviceError } from "../device-error.ts";

/**
 * An object whose other members are kept as they are: a later version of this software wrote them, and may read them again. The types do not
 * show them, so that nothing here is written by a slip of the pen.
 */
function open<Shape extends z.core.$ZodShape>(shape: Shape): z.ZodMiniObject<Shape, z.core.$strip> {
  return z.looseObject(shape) as unknown as z.ZodMiniObject<Shape, z.core.$strip>;
}

/** A message for life: number, name and content never change; times, server key and reply key are made anew for each sending. */
const pendingSchema = open({
  seq: z.int().check(z.positive()),
  jti: z.string(),
  operation: z.string(),
  body: z.record(z.string(), z.unknown()),
});
export type Pending = z.infer<typeof pendingSchema>;

const unknownFateSchema = z.object({
  seq: z.int(),
  operation: z.string(),
  why: z.enum(["below-window", "revoked", "gone"]),
});

const queueSchema = open({
  /** The next free seq. */
  next: z.int().check(z.positive()),
  /** In order of seq. */
  pending: z.array(pendingSchema),
  /** Messages whose fate nobody knows any more: reported, never sent again, never called done. */
  unknown: z.array(unknownFateSchema),
});
export type Queue = z.infer<typeof queueSchema>;

const updateSchema = z.object({
  /** `bootable`: the bootloader will try it. `booted` is not a stage: the report that follows ends the update. */
  stage: z.enum(["offered", "downloading", "verified", "bootable"]),
  manifest: manifestClaimsSchema,
  /** Only while it is needed. */
  contentKey: z.nullable(base64url256),
  /** Bytes of the image that the slot holds: what a device without the list of records goes on from. */
  written: z.optional(z.int()),
});
export type Update = z.infer<typeof updateSchema>;

/** Bases of the message plane, canonical. */
const addressesSchema = z.object({
  /** Of the first trust document that this device believed. */
  first: z.array(z.string()),
  /** Of all that it ever believed, newest first. */
  remembered: z.array(z.string()),
});
export type Addresses = z.infer<typeof addressesSchema>;

/** Where the service's time lies on the scale of one start of the machine. */
const bootTimeSchema = z.object({
  bootId: z.string(),
  /** Seconds since that start, and what the service's clock said then. */
  uptime: z.number(),
  time: z.number(),
});
export type BootTime = z.infer<typeof bootTimeSchema>;

const readingsSchema = open({
  /** Entries of the spool that went into the queue last: their files may still be there. */
  taken: z.array(z.string()),
  /** A body that was refused for want of what the device can bring: it goes out anew. */
  held: z.nullable(z.record(z.string(), z.unknown())),
  /** Records that the service refused for good, for life. */
  refused: z.int(),
});
export const noReadings: z.infer<typeof readingsSchema> = { taken: [], held: null, refused: 0 };

const commandsSchema = open({
  /** The last command that was settled. */
  handled: z.int(),
  /** The one that was stored and is not settled. */
  hand: z.nullable(commandSchema),
  /** The last authentic reply said that some command has no end yet. */
  waiting: z.boolean(),
  /** The last question was answered without its content: what it was nobody knows any more, and it is asked again. */
  freed: z.prefault(z.boolean(), false),
});
export const noCommands: z.infer<typeof commandsSchema> = { handled: 0, hand: null, waiting: false, freed: false };

/** Keys exist; the credential is not spent yet, or its answer did not arrive. The only phase that holds a secret. */
const bootstrappingSchema = z.object({
  format: z.literal(1),
  phase: z.literal("bootstrapping"),
  credential: credentialPackageSchema,
});

const enrolledSchema = open({
  format: z.literal(1),
  phase: z.literal("enrolled"),
  serviceId: z.string(),
  credentialId: z.string(),
  deviceId: z.string(),
  /** Root thumbprints, for life. */
  roots: z.array(thumbprintSchema),
  /** base64 DER. */
  certificate: z.string(),
  /** Thumbprints that `certificate` names. */
  signingKey: thumbprintSchema,
  encryptionKey: thumbprintSchema,
  trust: trustClaimsSchema,
  addresses: addressesSchema,
  keySet: z.string(),
  /** When every base was last asked for documents that a reply named, by the clock below. */
  askedAt: z.nullable(z.int()),
  /** What the clock said when this was written. */
  time: z.int(),
  /** Set by an authentic reply. Where a member has a default, documents were written without it. */
  bootTime: z.prefault(z.nullable(bootTimeSchema), null),
  queue: queueSchema,
  /** An authentic and final no. */
  ended: z.nullable(z.enum(["revoked", "gone"])),
  /** What the service acknowledged at registration. */
  profile: z.nullable(registrationBodySchema),
  pollSeconds: z.nullable(z.int()),
  update: z.nullable(updateSchema),
  /** Counters of releases that failed here or were rolled back: taken again on request alone. */
  givenUp: z.array(z.int()),
  readings: z.prefault(readingsSchema, noReadings),
  commands: z.prefault(commandsSchema, noCommands),
});
export type Enrolled = z.infer<typeof enrolledSchema>;

const deregisteredSchema = z.object({
  format: z.literal(1),
  phase: z.literal("deregistered"),
  serviceId: z.string(),
  credentialId: z.string(),
  deviceId: z.string(),
  /** Signed proof that this device left. */
  receipt: z.string(),
});

/** The whole durable state of a device but its private keys: one document, one atomic write for every step. */
const deviceStateSchema = z.discriminatedUnion("phase", [bootstrappingSchema, enrolledSchema, deregisteredSchema]);
export type DeviceState = z.infer<typeof deviceStateSchema>;

/**
 * @returns null for a device that never started
 * @throws DeviceError `home-broken`
 */
export function parseState(document: unknown): DeviceState | null {
  if (document === null) return null;
  const state = deviceStateSchema.safeParse(document);
  if (state.success) return state.data;
  const path = state.error.issues[0]?.path.map(String).join(".");
  throw new DeviceError("home-broken", `the state document does not parse (${path || "its form"})`);
}
