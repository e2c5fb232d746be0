import * as z from "zod/mini";

import { firmwareStates, firmwareVersionSchema } from "../exchanges/firmware.ts";
import { thumbprintSchema } from "../token/keys.ts";
import { type Act, idPrefixSchema, idSchema, seconds } from "./act.ts";
import { nextCursor, pageQuery } from "./paging.ts";

export const deviceStatuses = ["provisioned", "registered", "revoked", "deregistered"] as const;
export type DeviceStatus = (typeof deviceStatuses)[number];

/** What is known of a device, but for its keys and messages. */
export const deviceMembers = {
  deviceId: idSchema,
  status: z.enum(deviceStatuses),
  serialNumber: z.string(),
  credentialId: idSchema,
  created: seconds,
  /** What it said at its last registration, and when. */
  registration: z.optional(
    z.object({
      model: z.string(),
      hardware: z.string(),
      firmware: firmwareVersionSchema,
      capabilities: z.array(z.string()),
      at: seconds,
    }),
  ),
};

/** What a device last reported of a firmware update. */
export const updateMembers = {
  counter: z.int(),
  state: z.enum(firmwareStates),
  reason: z.optional(z.string()),
  at: seconds,
};

export const deviceSchema = z.object({ ...deviceMembers, update: z.optional(z.object(updateMembers)) });
export type Device = z.infer<typeof deviceSchema>;

export const deviceDetailSchema = z.extend(deviceSchema, {
  /** Thumbprints of the certified keys. */
  signingKey: thumbprintSchema,
  encryptionKey: thumbprintSchema,
  /** Base64 DER. */
  certificate: z.string(),
  /** The signed receipt of a device that has left. */
  receipt: z.optional(z.string()),
  /** Where its messages are: the highest acknowledged and the highest accepted seq, and when. */
  window: z.object({ ack: z.int(), high: z.int(), lastSeen: z.optional(seconds) }),
});
export type DeviceDetail = z.infer<typeof deviceDetailSchema>;

export const deviceActs = {
  /** With a status, `limit` counts the devices looked at: a page may hold fewer, and none, before the list ends. */
  listDevices: {
    method: "GET",
    path: "/operator/devices",
    duties: ["reading", "enrolling", "revoking", "commanding", "releasing"],
    query: z.strictObject({ ...pageQuery, id: z.optional(idPrefixSchema), status: z.optional(z.enum(deviceStatuses)) }),
    reply: z.object({ devices: z.array(deviceSchema), cursor: nextCursor }),
  },
  showDevice: {
    method: "GET",
    path: "/operator/devices/{deviceId}",
    duties: ["reading", "enrolling", "revoking", "commanding"],
    reply: z.object({ device: deviceDetailSchema }),
  },
  /** Final: a device that comes back gets a new credential. */
  revokeDevice: {
    method: "POST",
    path: "/operator/devices/{deviceId}/revoke",
    duties: ["revoking"],
    reply: z.object({ device: deviceSchema }),
  },
} as const satisfies Record<string, Act>;
