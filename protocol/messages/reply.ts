import * as z from "zod/mini";

import { type Signer, findSigner, memberOf, parseClaims, parseJws, signJwsBytes, tokenTypes } from "../token/jws.ts";
import { base64url256 } from "../token/keys.ts";
import { ifUsable } from "../documents/open.ts";
import { limits } from "../limits.ts";
import { type RefusalBody, type RefusalCode, isRefusalCode, readRefusal } from "./refusals.ts";
import { parseJson, splitCompact } from "../token/strict.ts";
import { a256gcm } from "../suites/a256gcm.ts";
import type { TokenEngine } from "../suites/engine.ts";
import { portableEngine } from "../suites/portable-engine.ts";
import {
  type EncryptionJwk,
  type OneTimeJwk,
  type ReplyAlgorithm,
  type SigningJwk,
  replySuiteOf,
} from "../suites/suites.ts";
import { TokenError } from "../token/token-error.ts";

const version = z.int().check(z.nonnegative());

/**
 * Claims of a reply: what the server's signature covers. Who speaks to whom, of which message, and whom it is sealed to, is in the request's JWS, whose
 * digest stands for all of it.
 */
export const replyClaimsSchema = z.object({
  /** The service's time, Unix seconds. */
  iat: z.int().check(z.nonnegative()),
  /** SHA-256 of the request's JWS as it was received, base64url. */
  request: base64url256,
  /** `ok` or a refusal code; one that a device does not know is judged by the body's `retry`. */
  status: z.string().check(z.regex(/^[a-z][a-z-]{0,63}$/)),
  body: z.record(z.string(), z.unknown()),
  /** The newest documents that the service has, to be fetched where they are newer than the device's; 0 where it cannot say. */
  trustVersion: version,
  keySetVersion: version,
  /** Some command of the device has no end yet. */
  waiting: ifUsable(z.literal(true)),
});
export type ReplyClaims = z.infer<typeof replyClaimsSchema>;

/** Signs with the server's key, then encrypts to the key that the request named. */
export async function sealReply(
  claims: ReplyClaims,
  signer: Signer,
  replyKey: EncryptionJwk | OneTimeJwk,
  engine: TokenEngine = portableEngine,
): Promise<string> {
  const jws = await signJwsBytes(tokenTypes.reply, claims, signer, limits.padding.reply);
  return engine.sealCompact(jws, { alg: replySuiteOf(replyKey).alg }, replyKey);
}

/** What the device knows of the request that it waits for an answer to. */
export type AwaitedReply = {
  /** `tokenDigest` of the request's JWS, of each time it was sealed. */
  readonly request: string;
  /** `alg` of a one-time key; absent for the certified one. */
  readonly alg?: ReplyAlgorithm;
};

export type Reply = {
  /** The service's time, Unix seconds. */
  readonly time: number;
  readonly trustVersion: number;
  readonly keySetVersion: number;
  /** Some command has no end yet: the device asks for it. */
  readonly waiting: boolean;
} & (
  | { readonly status: "ok"; readonly body: { [member: string]: unknown } }
  | { readonly status: RefusalCode | "unknown-refusal"; readonly body: RefusalBody }
);

/**
 * Opens a reply: outer form, decryption, inner header, signature under a key of the key set, then that it answers this very request.
 * @param signingKeys the message-signing keys of the newest key set
 * @throws TokenError `signature` where none of them signed it
 */
export async function openReply(
  token: string,
  privateKey: CryptoKey,
  signingKeys: readonly SigningJwk[],
  awaited: AwaitedReply,
  engine: TokenEngine = portableEngine,
): Promise<Reply> {
  const jws = parseJws(tokenTypes.reply, await decryptReply(token, privateKey, awaited));
  await findSigner(jws, "reply", signingKeys, (jwk) => jwk, engine);
  const claims = parseClaims(jws.payload, replyClaimsSchema, "reply");
  if (claims.request !== awaited.request) throw new TokenError("request-binding", "reply request");
  const { status, iat: time, body, trustVersion, keySetVersion } = claims;
  const said = { time, trustVersion, keySetVersion, waiting: claims.waiting === true };
  if (status === "ok") return { ...said, status, body };
  return { ...said, status: isRefusalCode(status) ? status : "unknown-refusal", body: readRefusal(status, body) };
}

async function decryptReply(
  token: string,
  privateKey: CryptoKey,
  awaited: AwaitedReply,
): Promise<Uint8Array<ArrayBuffer>> {
  const suite = replySuiteOf(awaited);
  const [header, encryptedKey, iv, , tag] = splitCompact(token, 5, "jwe");
  // Libraries do not all look: with direct agreement there is no encrypted key (RFC 7516 §5.1).
  const isWellFormed =
    encryptedKey?.length === suite.encryptedKeyBytes &&
    iv?.length === a256gcm.ivBytes &&
    tag?.length === a256gcm.tagBytes;
  if (!header || !isWellFormed) throw new TokenError("compact-form", "jwe");
  if (header.length > limits.headerBytes) throw new TokenError("too-large", "jwe header");
  const parsed = suite.header.safeParse(parseJson(header, "jwe header"));
  if (!parsed.success) throw new TokenError("jwe-header", memberOf(parsed.error));
  try {
    return await suite.open(token, privateKey);
  } catch (cause) {
    throw new TokenError("decryption", "reply", { cause });
  }
}
