import * as z from "zod/mini";

import { type Jws, type Signer, memberOf, parseClaims, parseJws, signJwsBytes, tokenTypes } from "../token/jws.ts";
import { type ServerKey } from "../documents/key-set.ts";
import { serviceIdSchema, thumbprintSchema } from "../token/keys.ts";
import { codec } from "../token/codec.ts";
import { limits } from "../limits.ts";
import { parseJson, splitCompact } from "../token/strict.ts";
import { a256gcm } from "../suites/a256gcm.ts";
import type { TokenEngine } from "../suites/engine.ts";
import { portableEngine } from "../suites/portable-engine.ts";
import { type RequestHeader, oneTimeJwkSchema, requestHeaderSchema } from "../suites/suites.ts";
import { TokenError } from "../token/token-error.ts";

const seq = z.int().check(z.nonnegative());
const seconds = z.int().check(z.nonnegative());

/** Claims of a request: what the device's signature covers. */
export const requestClaimsSchema = z.strictObject({
  /** Device id. */
  iss: z.uuid(),
  /** Service id, one string. */
  aud: serviceIdSchema,
  iat: seconds,
  exp: seconds,
  /** Unique for the life of the device; survives renewal of the times. */
  jti: z.string().check(z.regex(/^[A-Za-z0-9_-]{16,64}$/)),
  /** Number of the message, counted from 1 for the life of the device. */
  seq: z.int().check(z.positive()),
  /** The oldest unresolved seq − 1. */
  ack: seq,
  /** Thumbprint of the server key that the request is encrypted to. */
  serverKey: thumbprintSchema,
  /** Whom the reply is sealed to: the thumbprint of the device's certified encryption key, or a one-time public key. */
  replyKey: z.union([thumbprintSchema, oneTimeJwkSchema]),
  /** The largest reply that the device takes, in bytes of the token. */
  replyBytes: z.optional(z.int().check(z.minimum(limits.leastReplyBytes))),
  operation: z.string().check(z.regex(/^[a-z][a-z.-]{0,63}$/)),
  body: z.record(z.string(), z.unknown()),
});
export type RequestClaims = z.infer<typeof requestClaimsSchema>;

/** What must hold before anything is answered under seal: who speaks, to whom, and that the signature covers the receiver's key. */
export const requestBindingSchema = z.looseObject({
  iss: z.uuid(),
  aud: z.string(),
  serverKey: thumbprintSchema,
});

/**
 * Signs with the device's key, then encrypts to the server's (RFC 7519 §5.2 nesting).
 * @returns the token to send, and the inner JWS whose digest the reply must name
 */
export async function sealRequest(
  claims: RequestClaims,
  signer: Signer,
  serverKey: ServerKey,
): Promise<{ token: string; jws: string }> {
  const jws = await signJwsBytes(tokenTypes.request, claims, signer, limits.padding.request);
  const { kid, alg, jwk } = serverKey;
  const token = await portableEngine.sealCompact(jws, { alg, kid }, jwk);
  if (token.length > limits.tokenBytes) throw new TokenError("too-large", "request");
  return { token, jws: codec.decodeAscii(jws) };
}

/** A request's JWE, read but not decrypted. */
export type SealedRequest = {
  readonly header: RequestHeader;
  readonly encryptedKey: Uint8Array<ArrayBuffer>;
  decrypt(contentKey: Uint8Array<ArrayBuffer>, engine?: TokenEngine): Promise<Jws>;
};

/**
 * Reads the outer form of a request. The content key comes from whoever holds the server's private key, so decryption is a second step.
 * @throws TokenError `too-large` · `compact-form` · `base64url` · `json` · `jwe-header`; from `decrypt` also `decryption` · `jws-header`
 */
export function parseRequest(token: string): SealedRequest {
  const [headerBytes, encryptedKey, iv, ciphertext, tag] = splitCompact(token, 5, "jwe");
  if (
    !headerBytes ||
    !encryptedKey ||
    iv?.length !== a256gcm.ivBytes ||
    !ciphertext ||
    tag?.length !== a256gcm.tagBytes
  ) {
    throw new TokenError("compact-form", "jwe");
  }
  if (headerBytes.length > limits.headerBytes) throw new TokenError("too-large", "jwe header");
  const header = requestHeaderSchema.safeParse(parseJson(headerBytes, "jwe header"));
  if (!header.success) throw new TokenError("jwe-header", memberOf(header.error));
  const additionalData = codec.encodeAscii(token.slice(0, token.indexOf(".")));
  return {
    header: header.data,
    encryptedKey,
    async decrypt(contentKey, engine = portableEngine) {
      if (contentKey.length !== a256gcm.keyBytes) throw new TokenError("decryption", "content key");
      let plaintext: Uint8Array<ArrayBuffer>;
      try {
        plaintext = await engine.decryptContent(contentKey, { iv, additionalData, ciphertext, tag });
      } catch (cause) {
        throw new TokenError("decryption", "jwe", { cause });
      }
      return parseJws(tokenTypes.request, plaintext);
    },
  };
}

/** All claims, of which those that say who speaks to whom are checked; untrusted until the signature holds. */
export function parseRequestBinding(jws: Jws) {
  return parseClaims(jws.payload, requestBindingSchema, "request");
}

/** The thumbprint that a reply to this request names. */
export async function replyKeyThumbprint(
  replyKey: RequestClaims["replyKey"],
  engine: TokenEngine = portableEngine,
): Promise<string> {
  return typeof replyKey === "string" ? replyKey : engine.thumbprint(replyKey);
}
