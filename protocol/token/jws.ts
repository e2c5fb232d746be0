import * as z from "zod/mini";

import { codec } from "./codec.ts";
import { type Thumbprint, thumbprintSchema } from "./keys.ts";
import { limits } from "../limits.ts";
import { type Padding, paddedLength } from "./padding.ts";
import { type Compact, encodeBase64url, parseJson, splitCompact } from "./strict.ts";
import type { TokenEngine } from "../suites/engine.ts";
import { portableEngine } from "../suites/portable-engine.ts";
import { type SignatureAlgorithm, type SigningJwk, signatureSuiteOf, signatureSuites } from "../suites/suites.ts";
import { TokenError, isTokenError } from "./token-error.ts";

/** The explicit types (RFC 8725 §3.11) that keep one kind of token from passing for another. */
export const tokenTypes = {
  request: "sealpost-request+jwt",
  reply: "sealpost-reply+jwt",
  trust: "sealpost-trust+jwt",
  keySet: "jwk-set+jwt",
  firstToken: "at+jwt",
  manifest: "sealpost-manifest+jwt",
  receipt: "sealpost-receipt+jwt",
} as const;
export type TokenType = (typeof tokenTypes)[keyof typeof tokenTypes];

/** Types that name no key: their receiver knows by other means which few keys may have signed, and a `kid` is a tenth of a small message. */
const unnamed: ReadonlySet<TokenType> = new Set([tokenTypes.request, tokenTypes.reply]);

/** A private key wherever it lives: WebCrypto, KMS, a secure element. */
export type Signer = {
  readonly kid: Thumbprint;
  readonly alg: SignatureAlgorithm;
  /** Over `data`, which it hashes itself; the signature has the form that JOSE gives it (RFC 7518 §3.4: r‖s). */
  sign(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
};

export type Jws = {
  /** The whole token, ASCII. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly alg: SignatureAlgorithm;
  /** Of the signing key; absent where the type names none. */
  readonly kid: Thumbprint | undefined;
  readonly payload: Uint8Array<ArrayBuffer>;
  /** What the signature covers (RFC 7515 §5.1): the beginning of `bytes`. */
  readonly signingInput: Uint8Array<ArrayBuffer>;
  readonly signature: Uint8Array<ArrayBuffer>;
};

const utf8 = new TextEncoder();

/**
 * Signs claims as a compact JWS with the header `{alg, kid, typ}` and nothing else; requests and replies leave out `kid`.
 * @param padding with white space behind the claims; nothing is padded without it
 */
export async function signJws(typ: TokenType, claims: object, signer: Signer, padding?: Padding): Promise<string> {
  return codec.decodeAscii(await signJwsBytes(typ, claims, signer, padding));
}

/** The same as ASCII bytes, for whom encrypts it. */
export async function signJwsBytes(
  typ: TokenType,
  claims: object,
  signer: Signer,
  padding?: Padding,
): Promise<Uint8Array<ArrayBuffer>> {
  const { alg, kid } = signer;
  const named = unnamed.has(typ) ? { alg, typ } : { alg, kid, typ };
  const header = codec.encodeAscii(`${encodeBase64url(JSON.stringify(named))}.`);
  const signingInput = joined(header, codec.encodeBase64urlBytes(payloadOf(claims, padding)));
  const signature = await signer.sign(signingInput);
  return joined(signingInput, codec.encodeAscii(`.${encodeBase64url(signature)}`));
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

function payloadOf(claims: object, padding: Padding | undefined): Uint8Array {
  const payload = utf8.encode(JSON.stringify(claims));
  const length = padding ? paddedLength(payload.length, padding) : payload.length;
  if (length === payload.length) return payload;
  const padded = new Uint8Array(length);
  padded.set(payload);
  return padded.fill(0x20, payload.length);
}

/**
 * Reads a compact JWS of the given type without trusting a byte of it.
 * @throws TokenError `too-large` · `compact-form` · `base64url` · `jws-header`
 */
export function parseJws(typ: TokenType, token: Compact): Jws {
  const jws = parseJwsIfKnown(typ, token);
  if (!jws) throw new TokenError("jws-header", "alg");
  return jws;
}

const period = 0x2e;
const namedAlgorithmSchema = z.looseObject({ alg: z.string() });

/**
 * The same for a document that several sign.
 * @returns undefined for a signature by an algorithm that this version does not know
 * @throws TokenError as `parseJws`
 */
export function parseJwsIfKnown(typ: TokenType, token: Compact): Jws | undefined {
  const [headerBytes, payload, signature] = splitCompact(token, 3, "jws");
  if (!headerBytes || !payload || !signature) throw new TokenError("compact-form", "jws");
  if (headerBytes.length > limits.headerBytes) throw new TokenError("too-large", "jws header");
  const named = parseJson(headerBytes, "jws header");
  const alg = namedAlgorithmSchema.safeParse(named).data?.alg;
  const suite = signatureSuites.find((row) => row.alg === alg);
  if (alg !== undefined && !suite) return undefined;
  const header = jwsHeaderSchemas[typ].safeParse(named);
  if (!header.success) throw new TokenError("jws-header", memberOf(header.error));
  if (signature.length !== suite?.signatureBytes) throw new TokenError("compact-form", "jws signature");
  const bytes = typeof token === "string" ? codec.encodeAscii(token) : token;
  const signingInput = bytes.subarray(0, bytes.lastIndexOf(period));
  return { bytes, alg: suite.alg, kid: header.data.kid, payload, signingInput, signature };
}

/**
 * Verifies the signature with the key that the caller chose, and by that key's algorithm.
 * @throws TokenError `signature`
 */
export async function verifyJws(jws: Jws, jwk: SigningJwk, engine: TokenEngine = portableEngine): Promise<void> {
  const suite = signatureSuiteOf(jwk);
  let holds: boolean;
  try {
    holds = jws.alg === suite.alg && (await engine.verify(suite, jwk, jws));
  } catch (cause) {
    throw new TokenError("signature", "jws", { cause });
  }
  if (!holds) throw new TokenError("signature", "jws");
}

/**
 * Finds who signed a token that names no key.
 * @param what the token, for the error
 * @param candidates everyone who may have, the likeliest first
 * @throws TokenError `signature`
 * @example await findSigner(jws, "request", [present, previous], ({ signingKey }) => signingKey); // present or previous
 */
export async function findSigner<T>(
  jws: Jws,
  what: string,
  candidates: readonly T[],
  keyOf: (candidate: T) => SigningJwk,
  engine: TokenEngine = portableEngine,
): Promise<T> {
  for (const candidate of candidates) {
    try {
      await verifyJws(jws, keyOf(candidate), engine);
      return candidate;
    } catch (error) {
      if (!isTokenError(error)) throw error;
    }
  }
  throw new TokenError("signature", what);
}

/**
 * Parses claims of an already verified or explicitly untrusted payload.
 * @throws TokenError `json` · `claims`, with the path of the first member that is wrong
 */
export function parseClaims<T>(payload: Uint8Array, schema: z.ZodMiniType<T>, what: string): T {
  const claims = schema.safeParse(parseJson(payload, what));
  if (!claims.success) throw new TokenError("claims", memberOf(claims.error));
  return claims.data;
}

/** The path of the first member that does not fit, as `a.b.0`; never its value. */
export function memberOf(error: z.core.$ZodError): string {
  const issue = error.issues[0];
  if (!issue) return "";
  const extra = issue.code === "unrecognized_keys" ? "(unknown member)" : "";
  return [...issue.path.map(String), extra].filter(Boolean).join(".") || "(root)";
}

/** SHA-256 of a compact token's text, base64url: what a reply names its request by. */
export async function tokenDigest(token: Compact, engine: TokenEngine = portableEngine): Promise<string> {
  return encodeBase64url(await engine.sha256(typeof token === "string" ? codec.encodeAscii(token) : token));
}

function headerSchema(typ: TokenType) {
  return z.strictObject({
    alg: z.enum(signatureSuites.map(({ alg }) => alg)),
    kid: unnamed.has(typ) ? z.optional(z.never()) : thumbprintSchema,
    typ: z.literal(typ),
  });
}
const jwsHeaderSchemas = {
  [tokenTypes.request]: headerSchema(tokenTypes.request),
  [tokenTypes.reply]: headerSchema(tokenTypes.reply),
  [tokenTypes.trust]: headerSchema(tokenTypes.trust),
  [tokenTypes.keySet]: headerSchema(tokenTypes.keySet),
  [tokenTypes.firstToken]: headerSchema(tokenTypes.firstToken),
  [tokenTypes.manifest]: headerSchema(tokenTypes.manifest),
  [tokenTypes.receipt]: headerSchema(tokenTypes.receipt),
} as const satisfies Record<TokenType, unknown>;
