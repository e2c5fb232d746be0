import { deregistrationOperation, deregistrationReplySchema } from "@sealpost/protocol/exchanges/deregistration.ts";
import {
  firmwareCheckOperation,
  firmwareCheckReplySchema,
  firmwareReportOperation,
  firmwareReportReplySchema,
  type ManifestClaims,
} from "@sealpost/protocol/exchanges/firmware.ts";
import {
  registrationBodySchema,
  registrationOperation,
  registrationReplySchema,
} from "@sealpost/protocol/exchanges/registration.ts";
import { renewalOperation, renewalReplySchema } from "@sealpost/protocol/exchanges/renewal.ts";
import { memberOf } from "@sealpost/protocol/token/jws.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import { openManifest } from "@sealpost/protocol/documents/manifest.ts";
import { openReceipt } from "@sealpost/protocol/documents/receipt.ts";
import { TokenError, isTokenError } from "@sealpost/protocol/token/token-error.ts";
import * as z from "zod/mini";

import { verifyDeviceCertificate } from "../identity/device-certificate.ts";
import { type Thumbprints, thumbprints } from "../identity/device-keys.ts";
import { judgeManifest } from "../firmware/offer.ts";
import type { KeyStore } from "../ports.ts";
import { type DeviceState, type Enrolled, type Pending, type Update } from "../state/state.ts";

/** What a reply is judged by. */
export type SettleContext = {
  readonly state: Enrolled;
  readonly keys: Pick<KeyStore, "load">;
  readonly now: number;
};

/** What a reply means for the state; applied in the same write that resolves the message, so both happen or neither. */
export type Effect = (state: Enrolled) => DeviceState;

type Settle = (body: unknown, message: Pending, context: SettleContext) => Promise<Effect>;

/** One row per operation: what a successful reply says, and what it changes here. A new exchange is a new row. */
const rows: { readonly [operation: string]: Settle } = {
  [registrationOperation]: async (body, message) => {
    const { configuration } = read(registrationReplySchema, body);
    const profile = read(registrationBodySchema, message.body);
    const { least, most } = limits.pollSeconds;
    const pollSeconds = Math.min(Math.max(configuration.pollSeconds, least), most);
    return (state) => ({ ...state, profile, pollSeconds });
  },

  [firmwareCheckOperation]: async (body, _message, { state: { trust, profile }, now }) => {
    const { offer } = read(firmwareCheckReplySchema, body);
    if (!offer) return (state) => ({ ...state, update: isBootable(state.update) ? state.update : null });
    const manifest = await openManifest(offer.manifest, trust);
    judgeManifest(manifest, profile, now);
    const fresh = { stage: "offered", manifest, contentKey: offer.contentKey } as const;
    return (state) => ({ ...state, update: isSame(state.update, manifest) ? state.update : fresh });
  },

  [firmwareReportOperation]: async (body) => {
    read(firmwareReportReplySchema, body);
    return (state) => state;
  },

  [renewalOperation]: async (body, _message, { state: { trust, deviceId }, keys }) => {
    const { certificate } = read(renewalReplySchema, body);
    const candidate = await keys.load("next");
    if (!candidate) throw new TokenError("key-binding", "the candidate keys are gone");
    const own = await thumbprints(candidate);
    await verifyDeviceCertificate(certificate, trust.issuingCa, { ...own, deviceId });
    return (state) => ({ ...state, certificate, ...own });
  },

  [deregistrationOperation]: async (body, _message, { state, keys }) => {
    const { receipt } = read(deregistrationReplySchema, body);
    await verifyReceipt(receipt, state, keys);
    const { serviceId, credentialId, deviceId } = state;
    return () => ({ format: 1, phase: "deregistered", serviceId, credentialId, deviceId, receipt });
  },
};

/**
 * @throws TokenError when an authentic reply does not verify or parse here; DeviceError `firmware-rejected`
 */
export async function settle(message: Pending, body: unknown, context: SettleContext): Promise<Effect> {
  const row = rows[message.operation];
  if (!row) throw new TokenError("claims", "operation");
  return row(body, message, context);
}

/** Nothing newer is on offer: what the bootloader is about to try stays, anything else was withdrawn. */
function isBootable(update: Update | null): boolean {
  return update?.stage === "bootable";
}

/** The offer names what is under way already: that goes on where it is. */
function isSame(update: Update | null, { object }: ManifestClaims): boolean {
  return update !== null && update.stage !== "offered" && update.manifest.object === object;
}

/** The service may already have applied a renewal whose reply never came: then the receipt names the candidate keys. */
async function verifyReceipt(receipt: string, state: Enrolled, keys: Pick<KeyStore, "load">): Promise<void> {
  const candidate = await keys.load("next");
  const named: Thumbprints[] = [state, ...(candidate ? [await thumbprints(candidate)] : [])];
  let last: unknown;
  for (const { signingKey, encryptionKey } of named) {
    try {
      await openReceipt(receipt, state.trust, { sub: state.deviceId, signingKey, encryptionKey });
      return;
    } catch (error) {
      if (!isTokenError(error) || error.code !== "key-binding") throw error;
      last = error;
    }
  }
  throw last;
}

function read<T>(schema: z.ZodMiniType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw new TokenError("claims", memberOf(parsed.error));
  return parsed.data;
}
