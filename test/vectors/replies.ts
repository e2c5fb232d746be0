import { tokenDigest, tokenTypes } from "@sealpost/protocol/token/jws.ts";
import { paddedLength } from "@sealpost/protocol/token/padding.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import type { AwaitedReply } from "@sealpost/protocol/messages/reply.ts";

import { type Json, type KeyManagement, assembleJwe, assembleJws, flipLastBit, withUnusedBits } from "./assemble.ts";
import { ecPublicJwk, kidOf, now, signerOf } from "./test-keys.ts";
import type { VectorFile } from "./vector-file.ts";

export type ReplyVector = {
  readonly token: string;
  /** The private key that opens it. */
  readonly key: "deviceEncryption" | "oneTimeReply";
  /** As the device reads it; `ok` where absent. */
  readonly status?: string;
  /** As the device reads it, of a refusal. */
  readonly retry?: boolean;
};
export type ReplyFile = { readonly awaited: AwaitedReply } & VectorFile<ReplyVector>;

type Change = {
  readonly jweHeader?: Json;
  readonly jwsHeader?: Json;
  readonly claims?: Json;
  readonly signer?: Awaited<ReturnType<typeof signerOf>>;
  readonly to?: KeyManagement;
  readonly jwe?: Parameters<typeof assembleJwe>[3];
  readonly plaintext?: (jws: string) => string;
  readonly payload?: (text: string) => string;
};

/** @param request the JWS that the replies answer */
export async function replies(request: string): Promise<ReplyFile> {
  const server = await signerOf("messageSigning");
  const awaited = { request: await tokenDigest(request) };
  const replyClaims: Json = {
    iat: now + 1,
    request: awaited.request,
    status: "ok",
    body: { configuration: { pollSeconds: 3_600 } },
    trustVersion: 1,
    keySetVersion: now,
  };
  const build = async (change: Change = {}, key: ReplyVector["key"] = "deviceEncryption") => {
    const header = { alg: "ES256", typ: tokenTypes.reply, ...change.jwsHeader };
    const text = JSON.stringify({ ...replyClaims, ...change.claims });
    const padded = text.padEnd(paddedLength(text.length, limits.padding.reply));
    const jws = await assembleJws(header, change.payload?.(padded) ?? padded, change.signer ?? server);
    const outer = (epk: object | undefined) => ({
      alg: "ECDH-ES",
      enc: "A256GCM",
      cty: "JWT",
      epk,
      ...change.jweHeader,
    });
    const to = change.to ?? { kind: "direct" as const, jwk: ecPublicJwk(key) };
    return { token: assembleJwe(outer, change.plaintext?.(jws) ?? jws, to, change.jwe), key };
  };

  const refusal = { status: "clock", body: { detail: "Renew the times.", retry: true, time: now } };
  const valid = [
    { name: "ECDH-ES", ...(await build()) },
    { name: "to a one-time key", ...(await build({}, "oneTimeReply")) },
    { name: "refusal", status: "clock", ...(await build({ claims: refusal })) },
    {
      name: "refusal of a later service",
      status: "unknown-refusal",
      ...(await build({ claims: { ...refusal, status: "come-back" } })),
    },
    { name: "an unknown claim", ...(await build({ claims: { exp: now - 60 } })) },
    { name: "commands wait", ...(await build({ claims: { waiting: true } })) },
    { name: "waiting of another form", ...(await build({ claims: { waiting: { since: now } } })) },
    {
      name: "versions that the service cannot say",
      ...(await build({ claims: { trustVersion: 0, keySetVersion: 0 } })),
    },
    {
      name: "a refusal without retry, of a code that may be sent again",
      status: "clock",
      retry: true,
      ...(await build({ claims: { status: "clock", body: { detail: "", time: now } } })),
    },
    {
      name: "a refusal of a later service without retry is final",
      status: "unknown-refusal",
      retry: false,
      ...(await build({ claims: { status: "come-back", body: {} } })),
    },
    {
      name: "a refusal whose members have other forms",
      status: "conflict",
      retry: false,
      ...(await build({
        claims: { status: "conflict", body: { detail: 1, retry: "no", highest: "7", field: [], time: -1, more: {} } },
      })),
    },
  ];

  const others = Object.values(tokenTypes).filter((typ) => typ !== tokenTypes.reply);
  const foreign = ecPublicJwk("stranger");
  const keySetKey = await signerOf("keySet");
  const cases: [name: string, change: string, error: string, made: Change][] = [
    ...Object.entries({
      zip: "DEF",
      crit: ["exp"],
      b64: false,
      jwk: foreign,
      jku: "https://attacker.example/keys",
      x5u: "https://attacker.example/chain",
      kid: await kidOf("deviceEncryption"),
      apu: "QWxpY2U",
      unknown: 1,
      enc: "A128GCM",
      alg: "dir",
      cty: undefined,
      epk: undefined,
    }).map(([name, value]): [string, string, string, Change] => [
      value === undefined ? `JWE header without ${name}` : `JWE header ${name}`,
      `${name}: ${JSON.stringify(value) ?? "absent"}`,
      "jwe-header",
      { jweHeader: { [name]: value } },
    ]),
    ["JWE header of key wrapping", "alg", "jwe-header", { jweHeader: { alg: "ECDH-ES+A256KW" } }],
    ...others.map((typ): [string, string, string, Change] => [
      `JWS header typ ${typ}`,
      `typ: ${typ}`,
      "jws-header",
      { jwsHeader: { typ } },
    ]),
    ["JWS header alg none", "alg", "jws-header", { jwsHeader: { alg: "none" } }],
    ["JWS header crit", "crit", "jws-header", { jwsHeader: { crit: ["b64"], b64: true } }],
    ["JWS header jwk", "jwk", "jws-header", { jwsHeader: { jwk: foreign } }],
    ["JWS header with the key's thumbprint", "kid", "jws-header", { jwsHeader: { kid: server.kid } }],
    ["signed by the key-set key", "the signer", "signature", { signer: keySetKey }],
    ["signed by another key", "the signer", "signature", { signer: await signerOf("stranger") }],
    ["sealed to another key", "the recipient", "decryption", { to: { kind: "direct", jwk: foreign } }],
    [
      "ciphertext changed",
      "its last bit",
      "decryption",
      { jwe: (p) => ({ ...p, ciphertext: flipLastBit(p.ciphertext) }) },
    ],
    [
      "tag not canonical",
      "unused bits of the last character",
      "base64url",
      { jwe: (p) => ({ ...p, tag: withUnusedBits(p.tag) }) },
    ],
    [
      "an encrypted key that direct agreement does not have",
      "one byte",
      "compact-form",
      { jwe: (p) => ({ ...p, encryptedKey: "AA" }) },
    ],
    ["BOM before the inner token", "U+FEFF", "base64url", { plaintext: (jws) => `\ufeff${jws}` }],
    ["a request, reflected", "the inner token", "jws-header", { plaintext: () => request }],
    [
      "initialization vector too short",
      "11 bytes",
      "compact-form",
      { jwe: (p) => ({ ...p, iv: Buffer.from(p.iv, "base64url").subarray(1).toString("base64url") }) },
    ],
    [
      "tag too short",
      "12 bytes",
      "compact-form",
      { jwe: (p) => ({ ...p, tag: Buffer.from(p.tag, "base64url").subarray(4).toString("base64url") }) },
    ],
    ["another request", "request", "request-binding", { claims: { request: await tokenDigest("another") } }],
    ["no request", "request is missing", "claims", { claims: { request: undefined } }],
    ["no iat", "iat is missing", "claims", { claims: { iat: undefined } }],
    ["no body", "body is missing", "claims", { claims: { body: undefined } }],
    ["no trustVersion", "trustVersion is missing", "claims", { claims: { trustVersion: undefined } }],
    ["no keySetVersion", "keySetVersion is missing", "claims", { claims: { keySetVersion: undefined } }],
    ["a status that is no code", "status", "claims", { claims: { status: "Not OK" } }],
    [
      "a member twice",
      "status twice",
      "json",
      { payload: (text) => text.replace('"status":"ok"', '"status":"ok","status":"gone"') },
    ],
  ];
  const invalid = await Promise.all(
    cases.map(async ([name, change, error, made]) => ({ name, change, error, ...(await build(made)) })),
  );
  return { awaited, valid, invalid };
}
