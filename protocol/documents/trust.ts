import * as z from "zod/mini";

import { messageSchemes, parseBaseUrl } from "./base-url.ts";
import { type CoSigned, coSign, parseCoSigned, verifiedSigners } from "./co-signed.ts";
import { openList, readSigningKey } from "./open.ts";
import { type Signer, memberOf, parseClaims, tokenTypes } from "../token/jws.ts";
import { serviceIdSchema, thumbprint } from "../token/keys.ts";
import { signingJwkSchema } from "../suites/suites.ts";
import { limits } from "../limits.ts";
import { TokenError } from "../token/token-error.ts";

const der = z
  .string()
  .check(z.minLength(40), z.maxLength(limits.certificateCharacters), z.regex(/^[A-Za-z0-9+/]+={0,2}$/));

function messageBase(url: unknown): string | undefined {
  if (typeof url !== "string") return undefined;
  const parsed = parseBaseUrl(url, messageSchemes);
  return "base" in parsed ? parsed.base : undefined;
}
const signingKeys = openList(readSigningKey);

/**
 * What a device trusts: claims of the trust document, signed by the root, as a device reads them. What it does not know is passed over, members as
 * well as entries of lists, so that a later service can say more to later devices; what it needs must be there.
 */
export const trustClaimsSchema = z.object({
  /** Service id. */
  iss: serviceIdSchema,
  iat: z.int(),
  /** Counts up; a device never goes back. */
  version: z.int().check(z.positive()),
  root: z.pipe(z.transform(readSigningKey), signingJwkSchema),
  /** A second root, kept offline, that may replace the first alone if that is lost. One of a kind that the device does not know is none. */
  standby: z.optional(z.pipe(z.unknown(), z.transform(readSigningKey))),
  /** Certificate of the issuing CA (RFC 5280), base64 DER as in `x5c` (RFC 7515 §4.1.6). */
  issuingCa: der,
  keySetKeys: signingKeys,
  receiptKeys: signingKeys,
  releaseKeys: signingKeys,
  /** How many release keys must sign a firmware manifest. */
  releaseThreshold: z.int().check(z.positive()),
  /** Base URLs of the message plane, in order of preference: `<url>/messages`, `/keys`, `/firmware/<object>`; canonical, without trailing slashes. */
  messageUrls: openList(messageBase),
});
export type TrustClaims = z.infer<typeof trustClaimsSchema>;

const statedKeys = z.array(signingJwkSchema).check(z.minLength(1));

/** What an operator may state today: exactly what this version knows, so that a slip of the pen is found before it is signed. */
const statedTrustSchema = z.strictObject({
  ...trustClaimsSchema.shape,
  root: signingJwkSchema,
  standby: z.optional(signingJwkSchema),
  keySetKeys: statedKeys,
  receiptKeys: statedKeys,
  releaseKeys: statedKeys,
  messageUrls: z.array(z.pipe(z.transform(messageBase), z.string())).check(z.minLength(1)),
});

/** Thumbprints of the roots that a credential package pins: the root, and the standby if there is one. */
export type Pins = readonly string[];

/** @throws TokenError `claims` with the member that may not be stated so · `too-large` */
export async function signTrust(claims: TrustClaims, signers: readonly Signer[]): Promise<CoSigned> {
  const document = await coSign(tokenTypes.trust, stated(claims), signers);
  checkSize(document);
  return document;
}

/**
 * The claims of a document that an operator brings to be published; whether devices would follow it is for `followTrust`.
 * @throws TokenError `claims` · `too-large`
 */
export function readStatedTrust(document: CoSigned): TrustClaims {
  checkSize(document);
  return stated(parseClaims(parseCoSigned(tokenTypes.trust, document).payload, z.unknown(), "trust document"));
}

function stated(claims: unknown): TrustClaims {
  const parsed = statedTrustSchema.safeParse(claims);
  if (!parsed.success) throw new TokenError("claims", memberOf(parsed.error));
  return parsed.data;
}

function checkSize(document: CoSigned): void {
  const bytes = document.reduce((sum, token) => sum + token.length, 0);
  if (bytes > limits.trustDocumentBytes) throw new TokenError("too-large", "trust document");
}

/**
 * Follows trust documents from what is already believed to the newest, each step signed by what came before.
 * A step holds when it is signed by the present root and by its own root (one signature if they are the same), or by the present standby.
 * @param chain oldest first; documents at or below `from.version` are passed over
 * @param from the document believed so far; without one, it begins with the first document that a pinned root signed
 * @throws TokenError `unknown-key` · `signature` · `claims` · `issuer` · `version`
 */
export async function followTrust(chain: readonly CoSigned[], pins: Pins, from?: TrustClaims): Promise<TrustClaims> {
  let believed = from;
  for (const document of chain) {
    const { payload, parts } = parseCoSigned(tokenTypes.trust, document);
    const next = parseClaims(payload, trustClaimsSchema, "trust document");
    if (believed && next.version <= believed.version) continue;
    if (believed && next.iss !== believed.iss) throw new TokenError("issuer", "trust document iss");
    const candidates = [next, ...(believed ? [believed] : [])];
    const roots = candidates.flatMap(({ root, standby }) => (standby ? [root, standby] : [root]));
    const signers = await verifiedSigners(parts, roots);
    if (await maySign(signers, next, believed, pins)) believed = next;
    // A chain may begin with roots before the pinned one: a device made after a change of root never knew them.
    else if (believed) throw new TokenError("unknown-key", "trust document kid");
  }
  if (!believed) throw new TokenError("unknown-key", "trust document kid");
  return believed;
}

/**
 * The newest claims of a chain that was verified before, as a service reads its own store.
 * @throws TokenError
 */
export function readTrust(chain: readonly CoSigned[]): TrustClaims {
  const newest = chain.at(-1);
  if (!newest) throw new TokenError("version", "trust document missing");
  return parseClaims(parseCoSigned(tokenTypes.trust, newest).payload, trustClaimsSchema, "trust document");
}

async function maySign(
  signers: ReadonlySet<string>,
  next: TrustClaims,
  believed: TrustClaims | undefined,
  pins: Pins,
): Promise<boolean> {
  const nextRoot = await thumbprint(next.root);
  if (!believed) {
    const [root, standby] = pins;
    const byRoot = root !== undefined && root === nextRoot && signers.has(root);
    return byRoot || (standby !== undefined && signers.has(standby));
  }
  if (believed.standby && signers.has(await thumbprint(believed.standby))) return true;
  return signers.has(await thumbprint(believed.root)) && signers.has(nextRoot);
}

/** What `GET /keys` and the `key-retired` problem carry: all that a device needs to catch up, however long it slept. */
export const catchUpSchema = z.object({
  trust: z.array(z.array(z.string())).check(z.minLength(1)),
  keySet: z.string(),
});
export type CatchUp = z.infer<typeof catchUpSchema>;
