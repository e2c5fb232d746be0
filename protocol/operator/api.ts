import * as z from "zod/mini";

import { coSignedSchema } from "../documents/co-signed.ts";
import { firmwareStates, firmwareVersionSchema } from "../exchanges/firmware.ts";
import { base64url256, thumbprintSchema } from "../token/keys.ts";

/**
 * Requests and answers of the operator routes, which both `sealpost` and the operator function read. Requests are strict; an older client
 * passes over what a newer service adds to an answer. Times are Unix seconds.
 */
export const operatorLimits = {
  /** A JSON request: a manifest of 2,048 chunks under four signatures fits. */
  requestBytes: 655_360,
  /** How long a credential may be used. */
  validSeconds: { least: 60, usual: 604_800, most: 34_560_000 },
  pageItems: { usual: 50, most: 100 },
} as const;

const seconds = z.int().check(z.nonnegative());

/** 1 to 64 printable ASCII characters with no space at either end: it is printed on labels and in tables. */
export const serialNumberSchema = z.string().check(z.regex(/^[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?$/));

export const createCredentialRequestSchema = z.strictObject({
  serialNumber: serialNumberSchema,
  validSeconds: z.optional(
    z.int().check(z.minimum(operatorLimits.validSeconds.least), z.maximum(operatorLimits.validSeconds.most)),
  ),
  /** SHA-256 of the secret's text, base64url. The secret itself is made by the operator's machine and never sent here. */
  secretHash: base64url256,
});
export type CreateCredentialRequest = z.infer<typeof createCredentialRequestSchema>;

/** `expired`: issued, and past `validUntil`. */
export const credentialStatuses = ["issued", "expired", "spent", "revoked"] as const;

export const credentialSchema = z.object({
  credentialId: z.uuid(),
  serialNumber: z.string(),
  status: z.enum(credentialStatuses),
  created: seconds,
  createdBy: z.string(),
  validUntil: seconds,
  /** The device that spent it. */
  deviceId: z.optional(z.uuid()),
});
export type Credential = z.infer<typeof credentialSchema>;

export const createCredentialReplySchema = z.object({
  credential: credentialSchema,
  serviceId: z.string(),
  /** What the credential package pins: thumbprints of the root, then of the standby if there is one. */
  roots: z.array(thumbprintSchema).check(z.minLength(1), z.maxLength(2)),
});
export type CreateCredentialReply = z.infer<typeof createCredentialReplySchema>;

export const credentialReplySchema = z.object({ credential: credentialSchema });
const cursor = z.optional(z.string());
export const listCredentialsReplySchema = z.object({ credentials: z.array(credentialSchema), cursor });

export const deviceStatuses = ["provisioned", "registered", "revoked", "deregistered"] as const;

export const deviceSchema = z.object({
  deviceId: z.uuid(),
  status: z.enum(deviceStatuses),
  serialNumber: z.string(),
  credentialId: z.uuid(),
  created: seconds,
  registration: z.optional(
    z.object({
      model: z.string(),
      hardware: z.string(),
      firmware: firmwareVersionSchema,
      capabilities: z.array(z.string()),
      at: seconds,
    }),
  ),
  /** What the device last reported of a firmware update. */
  update: z.optional(
    z.object({ counter: z.int(), state: z.enum(firmwareStates), reason: z.optional(z.string()), at: seconds }),
  ),
});
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

export const deviceReplySchema = z.object({ device: deviceSchema });
export const deviceDetailReplySchema = z.object({ device: deviceDetailSchema });
export const listDevicesReplySchema = z.object({ devices: z.array(deviceSchema), cursor });

export const publishReleaseRequestSchema = z.strictObject({
  manifest: coSignedSchema,
  /** The content key, encrypted by the service's secrets key; base64. */
  wrappedKey: z.string().check(z.regex(/^[A-Za-z0-9+/]{40,1024}={0,2}$/)),
});

export const releaseSchema = z.object({
  counter: z.int(),
  version: z.string(),
  model: z.string(),
  hardware: z.array(z.string()),
  size: z.int(),
  sha256: base64url256,
  object: z.string(),
  exp: seconds,
  /** ISO time. */
  published: z.string(),
  publishedBy: z.string(),
});
export type Release = z.infer<typeof releaseSchema>;

export const releaseReplySchema = z.object({ release: releaseSchema });
export const listReleasesReplySchema = z.object({
  releases: z.array(releaseSchema),
  cursor,
  /** Who must sign a manifest, by the published trust document; absent while there is none. */
  signing: z.optional(z.object({ keys: z.array(thumbprintSchema), threshold: z.int() })),
});
export type ListReleasesReply = z.infer<typeof listReleasesReplySchema>;

export const publishTrustRequestSchema = z.strictObject({ document: coSignedSchema });
export const trustReplySchema = z.object({ version: z.int() });
export const showTrustReplySchema = z.object({ version: z.int(), chain: z.array(coSignedSchema) });
export type ShowTrustReply = z.infer<typeof showTrustReplySchema>;

export const auditEntrySchema = z.object({
  target: z.string(),
  at: z.string(),
  time: seconds,
  action: z.string(),
  actor: z.string(),
  detail: z.record(z.string(), z.unknown()),
});
export type AuditEntry = z.infer<typeof auditEntrySchema>;
export const listAuditReplySchema = z.object({ entries: z.array(auditEntrySchema), cursor });
