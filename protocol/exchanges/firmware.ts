import * as z from "zod/mini";

import { coSignedSchema } from "../documents/co-signed.ts";
import { base64url256 } from "../token/keys.ts";
import { limits } from "../limits.ts";
import { defineExchange } from "./define-exchange.ts";

export const firmwareCheckOperation = "firmware.check";
export const firmwareReportOperation = "firmware.report";

export const modelSchema = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/));
export const hardwareSchema = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/));
/** The release counter orders releases; the name is for people. */
const counter = z.int().check(z.nonnegative());
const versionName = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}$/));

export const firmwareVersionSchema = z.strictObject({ version: versionName, counter });
export type FirmwareVersion = z.infer<typeof firmwareVersionSchema>;

const releaseCounter = z.int().check(z.positive());

/** Figure 6, first step: the device says what it runs and asks for something newer. */
export const firmwareCheckBodySchema = z.strictObject({
  firmware: firmwareVersionSchema,
  /** The offer that the device has already, which must suit what it is registered as: it is not sent again. */
  held: z.optional(releaseCounter),
  /** Somebody asks for a release that was given up here. */
  again: z.optional(z.literal(true)),
});

export type FirmwareCheckBody = z.infer<typeof firmwareCheckBodySchema>;

/** `held`: what the device named is what it would be offered. */
export const firmwareCheckReplySchema = z.object({
  offer: z.nullable(
    z.union([
      z.object({
        manifest: coSignedSchema,
        /** Input keying material of RFC 8188, 32 bytes, base64url. */
        contentKey: base64url256,
      }),
      z.object({ held: z.literal(true) }),
    ]),
  ),
});
export type FirmwareCheckReply = z.infer<typeof firmwareCheckReplySchema>;

/** Claims of a firmware manifest, signed by the release keys of the trust document. */
export const manifestClaimsSchema = z.object({
  iss: z.string(),
  iat: z.int(),
  exp: z.int(),
  model: modelSchema,
  /** Open: a device looks for its own, whatever else is there. */
  hardware: z.array(z.string()).check(z.minLength(1)),
  version: versionName,
  counter: releaseCounter,
  /** Plaintext bytes. */
  size: z.int().check(z.positive(), z.maximum(limits.firmware.imageBytes)),
  /** SHA-256 of the whole plaintext, base64url. */
  sha256: base64url256,
  /** Plaintext bytes of each RFC 8188 record but the last. */
  recordBytes: z.int().check(z.minimum(limits.firmware.recordBytes.least), z.maximum(limits.firmware.recordBytes.most)),
  /** SHA-256 of the object that lists the SHA-256 of each encrypted record, base64url. */
  recordsSha256: base64url256,
  /** Name of the encrypted object below `<messageUrl>/firmware/`. */
  object: z.string().check(z.regex(/^[A-Za-z0-9_-]{22,64}$/)),
});
export type ManifestClaims = z.infer<typeof manifestClaimsSchema>;

/** What of it this version publishes. */
export const publishedHardwareSchema = z.array(hardwareSchema).check(z.minLength(1), z.maxLength(16));

/** States of one update, in order; `installed` is said only by the new firmware after it booted. */
export const firmwareStates = ["downloading", "verified", "installed", "failed", "rolled-back"] as const;
export type FirmwareState = (typeof firmwareStates)[number];

/** Figure 6, later steps: what became of a release on this device. */
export const firmwareReportBodySchema = z.strictObject({
  counter: releaseCounter,
  state: z.enum(firmwareStates),
  /** A stable local code such as `image-mismatch`. */
  reason: z.optional(z.string().check(z.regex(/^[a-z][a-z-]{0,63}$/))),
});
export type FirmwareReportBody = z.infer<typeof firmwareReportBodySchema>;

export const firmwareReportReplySchema = z.object({});

export const firmwareCheck = defineExchange({
  operation: firmwareCheckOperation,
  request: firmwareCheckBodySchema,
  reply: firmwareCheckReplySchema,
});

export const firmwareReport = defineExchange({
  operation: firmwareReportOperation,
  request: firmwareReportBodySchema,
  reply: firmwareReportReplySchema,
});
