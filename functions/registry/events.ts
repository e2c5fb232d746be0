import { commandResultStatuses } from "@sealpost/protocol/exchanges/commands.ts";
import { firmwareStates } from "@sealpost/protocol/exchanges/firmware.ts";
import { registrationBodySchema } from "@sealpost/protocol/exchanges/registration.ts";
import { base64url256 } from "@sealpost/protocol/token/keys.ts";
import * as z from "zod/mini";

import { deviceKeysSchema } from "../store/records.ts";

const seconds = z.int().check(z.nonnegative());
const command = z.object({ n: z.int(), commandId: z.string(), name: z.string() });
const credential = z.object({ serialNumber: z.string() });

/**
 * What happens, and what is recorded of each: the one list that writers, the audit and a rebuild from the journal share. A detail is stored for
 * the life of a service: members may be added as optional ones, and none may change.
 */
export const eventDetails = {
  "trust.published": z.object({ version: z.int(), document: z.array(z.string()) }),
  "credential.created": z.object({ ...credential.shape, validUntil: seconds }),
  "credential.spent": z.object({ ...credential.shape, deviceId: z.uuid() }),
  "credential.revoked": credential,
  "device.certified": z.object({
    keys: deviceKeysSchema,
    certificate: z.string(),
    serialNumber: z.string(),
    credentialId: z.uuid(),
  }),
  "device.registered": registrationBodySchema,
  "device.renewed": z.object({
    keys: deviceKeysSchema,
    previousKeys: deviceKeysSchema,
    certificate: z.string(),
    seq: z.int(),
  }),
  /** `seq`: of the renewal whose earlier keys ended. */
  "device.renewal-ended": z.object({ seq: z.int() }),
  "device.revoked": z.object({
    serialNumber: z.string(),
    credentialId: z.uuid(),
    keys: deviceKeysSchema,
    certificate: z.string(),
  }),
  "device.deregistered": z.object({ receipt: z.string(), keys: deviceKeysSchema, reason: z.optional(z.string()) }),
  "device.readopted": z.object({}),
  "firmware.reported": z.object({
    counter: z.int(),
    state: z.enum(firmwareStates),
    reason: z.optional(z.string()),
    at: seconds,
  }),
  "command.queued": z.object({
    ...command.shape,
    expires: z.optional(seconds),
    repeatable: z.optional(z.literal(true)),
  }),
  "command.cancelled": command,
  "command.expired": command,
  /** The device's word. */
  "command.result": z.object({ ...command.shape, status: z.enum(commandResultStatuses) }),
  /** Its device ended before it got it. */
  "command.void": command,
  /** Its device ended after it got it. */
  "command.unknown": command,
  "release.published": z.object({
    counter: z.int(),
    version: z.string(),
    size: z.int(),
    sha256: base64url256,
    object: z.string(),
    exp: seconds,
  }),
  "release.withdrawn": z.object({ counter: z.int(), version: z.string(), object: z.string() }),
} as const satisfies { readonly [action: string]: z.ZodMiniType<object> };

type Details = typeof eventDetails;
export type Action = keyof Details;

/** One thing that happened, by its action. */
export type Event<A extends Action = Action> = {
  [K in A]: { readonly action: K; readonly detail: z.infer<Details[K]> };
}[A];

/** What happens to a device. */
export type DeviceEvent = Event<Extract<Action, `device.${string}` | `firmware.${string}` | `command.${string}`>>;
