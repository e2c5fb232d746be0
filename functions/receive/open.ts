import {
  type RequestClaims,
  parseRequest,
  parseRequestBinding,
  replyKeyThumbprint,
  requestClaimsSchema,
} from "@sealpost/protocol/messages/request.ts";
import { type Jws, findSigner, memberOf, tokenDigest } from "@sealpost/protocol/token/jws.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import type { EncryptionJwk, OneTimeJwk } from "@sealpost/protocol/suites/suites.ts";
import { ifUsable } from "@sealpost/protocol/documents/open.ts";
import { TokenError } from "@sealpost/protocol/token/token-error.ts";
import * as z from "zod/mini";

import type { ContentKeyOpener, PresentKeys } from "../custody/port.ts";
import { nodeEngine } from "../engine/node-engine.ts";
import type { Device } from "../registry/device.ts";
import { type Speaking, keysInForce, speakingKeys, thumbprintsOf } from "../registry/key-ring.ts";
import type { DeviceKeys } from "../store/records.ts";
import { messageDigest } from "./digest.ts";

/** Whom and how to answer: everything that a sealed reply is bound to. */
export type ReplyTo = {
  readonly deviceId: string;
  readonly key: EncryptionJwk | OneTimeJwk;
  /** SHA-256 of the request's JWS. */
  readonly request: string;
  /** The largest token that the device takes. */
  readonly mostBytes: number;
  /** For the log. */
  readonly seq?: number;
};

const unsealed = Symbol("unsealed");
const verified = Symbol("verified");

/** A request that this service could open; who sent it, nobody has proven yet. `unsealRequest` alone makes it. */
export type UnsealedRequest = {
  readonly [unsealed]: true;
  /** Whose it says it is. */
  readonly deviceId: string;
  readonly jws: Jws;
  /** The claims as they were parsed, of any shape beyond the binding. */
  readonly claims: object;
};

/** A request whose sender, receiver and keys are proven; `verifyRequest` alone makes it. */
export type VerifiedRequest = {
  readonly [verified]: true;
  readonly replyTo: ReplyTo;
  /** In the state in which the message found it. */
  readonly device: Device;
  /** The keys under which it is signed. */
  readonly keys: DeviceKeys;
  /** The present keys while a renewal was in flight: the old ones end with this message. */
  readonly endsRenewal: boolean;
  /** The claims, or what is wrong with them and whether their seq can still be used up. */
  readonly message:
    | { readonly kind: "claims"; readonly claims: RequestClaims; readonly digest: string }
    | {
        readonly kind: "defect";
        readonly field: string;
        readonly place?: { seq: number; ack: number; digest: string };
      };
};

/**
 * Opens a sealed request: checks 1 to 6 of the protocol, which need no device. Each line of the body is one check; until the last of `verifyRequest` holds,
 * every failure is the same answer to the sender.
 * @throws TokenError naming the check; Fault if the custody does not answer
 */
export async function unsealRequest(
  serviceId: string,
  present: Pick<PresentKeys, "openers" | "lookAgain">,
  token: string,
): Promise<UnsealedRequest> {
  const sealed = parseRequest(token);
  const opener = await presentKey(present, sealed.header.kid, sealed.header.alg);
  const epk = "epk" in sealed.header ? sealed.header.epk : undefined;
  const jws = await sealed.decrypt(await opener.open(sealed.encryptedKey, epk), nodeEngine);
  const binding = parseRequestBinding(jws);
  if (binding.aud !== serviceId) throw new TokenError("audience", "request aud");
  if (binding.serverKey !== opener.kid) throw new TokenError("key-binding", "request serverKey");
  return { [unsealed]: true, deviceId: binding.iss, jws, claims: binding };
}

/**
 * Proves the sender, by the keys that the device has in this very state: what an earlier message of it changed counts.
 * @param device undefined: there is none of that id
 * @throws TokenError naming the check
 */
export async function verifyRequest(
  { jws, claims }: UnsealedRequest,
  device: Device | undefined,
): Promise<VerifiedRequest> {
  if (!device) throw new TokenError("issuer", "request iss");
  const speaking = speakingKeys(device.identity);
  const { keys, endsRenewal } = await findSigner(jws, "request", speaking, signingKeyOf, nodeEngine);
  return { [verified]: true, device, keys, endsRenewal, ...(await readClaims(jws, claims, device, keys)) };
}

function signingKeyOf({ keys }: Speaking) {
  return keys.signingKey;
}

async function presentKey(
  { openers, lookAgain }: Pick<PresentKeys, "openers" | "lookAgain">,
  kid: string,
  alg: string,
): Promise<ContentKeyOpener> {
  const opener = openers.find((candidate) => candidate.kid === kid) ?? (await lookAgain?.(kid));
  if (!opener) throw new TokenError("retired-key", "request serverKey");
  if (opener.alg !== alg) throw new TokenError("jwe-header", "alg");
  return opener;
}

const { shape } = requestClaimsSchema;
/** Of claims that may have a defect: each member that can still be used to say so. */
const usableSchema = z.looseObject({
  seq: ifUsable(shape.seq),
  ack: ifUsable(shape.ack),
  replyBytes: ifUsable(shape.replyBytes),
  replyKey: ifUsable(shape.replyKey),
});

/** @param raw the claims as they were parsed, of any shape beyond the binding */
async function readClaims(
  jws: Jws,
  raw: object,
  device: Device,
  keys: DeviceKeys,
): Promise<Pick<VerifiedRequest, "replyTo" | "message">> {
  const claims = requestClaimsSchema.safeParse(raw);
  const usable = claims.success ? claims.data : usableSchema.parse(raw);
  const { seq, ack, replyBytes = limits.tokenBytes, replyKey: named } = usable;
  const reply = await replyKey(named, device, keys);
  const replyTo: ReplyTo = {
    deviceId: device.identity.deviceId,
    key: reply.key,
    request: await tokenDigest(jws.bytes, nodeEngine),
    mostBytes: Math.min(replyBytes, limits.tokenBytes),
    ...(seq === undefined ? {} : { seq }),
  };
  const digest = messageDigest(raw, jws.payload);
  const field = claims.success ? (defectOf(claims.data) ?? reply.defect) : memberOf(claims.error);
  if (claims.success && field === undefined) {
    return { replyTo, message: { kind: "claims", claims: claims.data, digest } };
  }
  const place = seq !== undefined && ack !== undefined && ack < seq ? { place: { seq, ack, digest } } : {};
  return { replyTo, message: { kind: "defect", field: field ?? "", ...place } };
}

/** What no schema of one member says. A lifetime that no clock could make right is a defect, not a matter of time. */
function defectOf({ seq, ack, iat, exp }: RequestClaims): "ack" | "exp" | undefined {
  if (ack >= seq) return "ack";
  return exp > iat && exp - iat <= limits.longestLifetimeSeconds ? undefined : "exp";
}

/** The key to seal the reply to; one that cannot be used is a defect, told under the certified key. */
async function replyKey(named: RequestClaims["replyKey"] | undefined, device: Device, keys: DeviceKeys) {
  const certified = { key: keys.encryptionKey };
  if (named === undefined) return { ...certified, defect: "replyKey" };
  const print = await replyKeyThumbprint(named, nodeEngine);
  const own = keysInForce(device.identity);
  if (typeof named !== "string") {
    // A key of the device's own is none for one time: it has its purpose already.
    const prints = own.flatMap((pair) => Object.values(thumbprintsOf(pair)));
    const usable = !prints.includes(print) && nodeEngine.isUsable(named);
    return usable ? { key: named, defect: undefined } : { ...certified, defect: "replyKey" };
  }
  for (const { encryptionKey } of own) {
    if (nodeEngine.thumbprint(encryptionKey) === print) return { key: encryptionKey, defect: undefined };
  }
  return { ...certified, defect: "replyKey" };
}
