import { CompactEncrypt, compactDecrypt } from "jose";
import * as z from "zod/mini";

import { type Signer, memberOf, parseClaims, parseJws, signJws, tokenTypes, verifyJws } from "../token/jws.ts";
import { type EcPublicJwk, base64url256, importPublicKey, thumbprintSchema } from "../token/keys.ts";
import { limits } from "../limits.ts";
import { type RefusalBody, type RefusalCode, isRefusalCode, refusalBodySchema } from "./refusals.ts";
import { compactText, parseJson, splitCompact } from "../token/strict.ts";
import { contentEncryption, replyAlgorithm, replyAlgorithms, replyJweHeaderSchema } from "../suites/suites.ts";
import { TokenError } from "../token/token-error.ts";

/** Claims of a reply: what the server's signature covers. */
export const replyClaimsSchema = z.object({
  iss: z.string(),
  aud: z.uuid(),
  iat: z.int().check(z.nonnegative()),
  /** The request's, if it had usable ones. */
  jti: z.optional(z.string()),
  seq: z.optional(z.int()),
  /** SHA-256 of the request's JWS as it was received, base64url. */
  request: base64url256,
  /** Thumbprint of the key that this reply is sealed to. */
  replyKey: thumbprintSchema,
  /** `ok` or a refusal code; one that a device does not know is judged by the body's `retry`. */
  status: z.string().check(z.regex(/^[a-z][a-z-]{0,63}$/)),
  body: z.record(z.string(), z.unknown()),
});
export type ReplyClaims = z.infer<typeof replyClaimsSchema>;

/** Signs with the server's key, then encrypts to the key that the request named. */
export async function sealReply(claims: ReplyClaims, signer: Signer, replyKey: EcPublicJwk): Promise<string> {
  const jws = await signJws(tokenTypes.reply, claims, signer, limits.paddingBytes);
  return new CompactEncrypt(new TextEncoder().encode(jws))
    .setProtectedHeader({ alg: replyAlgorithm, enc: contentEncryption, cty: "JWT" })
    .encrypt(await importPublicKey(replyKey, replyAlgorithm));
}

/** What the device knows of the request that it waits for an answer to. */
export type AwaitedReply = {
  readonly serviceId: string;
  readonly deviceId: string;
  readonly jti: string;
  readonly seq: number;
  /** `tokenDigest` of the request's JWS, of each time it was sealed. */
  readonly request: string;
  readonly replyKey: string;
};

export type Reply =
  | { readonly status: "ok"; readonly time: number; readonly body: { [member: string]: unknown } }
  | { readonly status: RefusalCode | "unknown-refusal"; readonly time: number; readonly body: RefusalBody };

/**
 * Opens a reply: outer form, decryption, inner header, signature under a key of the key set, then that it answers this very request.
 * @param signingKeys finds a message-signing key of the newest key set by thumbprint
 * @throws TokenError
 */
export async function openReply(
  token: string,
  privateKey: CryptoKey,
  signingKeys: (kid: string) => EcPublicJwk | undefined,
  awaited: AwaitedReply,
): Promise<Reply> {
  const jws = parseJws(tokenTypes.reply, await decryptReply(token, privateKey));
  const signingKey = signingKeys(jws.kid);
  if (!signingKey) throw new TokenError("unknown-key", "reply kid");
  await verifyJws(jws, signingKey);
  const claims = parseClaims(jws.payload, replyClaimsSchema, "reply");
  if (claims.iss !== awaited.serviceId) throw new TokenError("issuer", "reply iss");
  if (claims.aud !== awaited.deviceId) throw new TokenError("audience", "reply aud");
  if (claims.replyKey !== awaited.replyKey) throw new TokenError("key-binding", "reply replyKey");
  if (claims.request !== awaited.request) throw new TokenError("request-binding", "reply request");
  if (claims.jti !== undefined && claims.jti !== awaited.jti) throw new TokenError("request-binding", "reply jti");
  if (claims.seq !== undefined && claims.seq !== awaited.seq) throw new TokenError("request-binding", "reply seq");
  const { status, iat: time, body } = claims;
  if (status === "ok") return { status, time, body };
  const refusal = refusalBodySchema.safeParse(body);
  if (!refusal.success) throw new TokenError("claims", `reply body ${memberOf(refusal.error)}`);
  return { status: isRefusalCode(status) ? status : "unknown-refusal", time, body: refusal.data };
}

async function decryptReply(token: string, privateKey: CryptoKey): Promise<string> {
  const [header] = splitCompact(token, 5, "jwe");
  if (!header || header.length > limits.headerBytes) throw new TokenError("too-large", "jwe header");
  const parsed = replyJweHeaderSchema.safeParse(parseJson(header, "jwe header"));
  if (!parsed.success) throw new TokenError("jwe-header", memberOf(parsed.error));
  try {
    const { plaintext } = await compactDecrypt(token, privateKey, {
      keyManagementAlgorithms: [...replyAlgorithms],
      contentEncryptionAlgorithms: [contentEncryption],
      maxDecompressedLength: 0,
    });
    return compactText(plaintext);
  } catch (cause) {
    throw new TokenError("decryption", "reply", { cause });
  }
}
