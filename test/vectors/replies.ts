import { tokenDigest, tokenTypes } from "@sealpost/protocol/token/jws.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import type { AwaitedReply } from "@sealpost/protocol/messages/reply.ts";

import { type Json, type KeyManagement, assembleJwe, assembleJws, flipLastBit, withUnusedBits } from "./assemble.ts";
import { deviceId, ecPublicJwk, kidOf, now, otherDeviceId, serviceId, signerOf } from "./test-keys.ts";
import type { VectorFile } from "./vector-file.ts";

export type ReplyVector = {
  readonly token: string;
  /** The private key that opens it. */
  readonly key: "deviceEncryption" | "oneTimeReply";
  /** As the device reads it; `ok` where absent. */
  readonly status?: string;
};
export type ReplyFile = { readonly awaited: Omit<AwaitedReply, "replyKey"> } & VectorFile<ReplyVector>;

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
  const awaited = { serviceId, deviceId, jti: "vector-0123456789", seq: 7, request: await tokenDigest(request) };
  const claimsFor = async (key: ReplyVector["key"]): Promise<Json> => ({
    iss: serviceId,
    aud: deviceId,
    iat: now + 1,
    jti: awaited.jti,
    seq: awaited.seq,
    request: awaited.request,
    replyKey: await kidOf(key),
    status: "ok",
    body: { configuration: { pollSeconds: 3_600 } },
  });
  const build = async (
    change: Change = {},
    key: ReplyVector["key"] = "deviceEncryption",
    kind: "direct" | "agreement" = "direct",
  ) => {
    const header = { alg: "ES256", kid: server.kid, typ: tokenTypes.reply, ...change.jwsHeader };
    const text = JSON.stringify({ ...(await claimsFor(key)), ...change.claims });
    const padded = text.padEnd(Math.ceil(text.length / limits.paddingBytes) * limits.paddingBytes);
    const jws = await assembleJws(header, change.payload?.(padded) ?? padded, change.signer ?? server);
    const alg = kind === "direct" ? "ECDH-ES" : "ECDH-ES+A256KW";
    const outer = (epk: object | undefined) => ({ alg, enc: "A256GCM", cty: "JWT", epk, ...change.jweHeader });
    const to = change.to ?? { kind, jwk: ecPublicJwk(key) };
    return { token: assembleJwe(outer, change.plaintext?.(jws) ?? jws, to, change.jwe), key };
  };

  const refusal = { status: "clock", body: { detail: "Renew the times.", retry: true, time: now } };
  const valid = [
    { name: "ECDH-ES", ...(await build()) },
    { name: "ECDH-ES+A256KW", ...(await build({}, "deviceEncryption", "agreement")) },
    { name: "to a one-time key", ...(await build({}, "oneTimeReply")) },
    { name: "refusal", status: "clock", ...(await build({ claims: refusal })) },
    {
      name: "refusal of a later service",
      status: "unknown-refusal",
      ...(await build({ claims: { ...refusal, status: "come-back" } })),
    },
    { name: "an unknown claim", ...(await build({ claims: { exp: now - 60 } })) },
    {
      name: "without jti and seq, as for a request that had no usable ones",
      ...(await build({ claims: { jti: undefined, seq: undefined } })),
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
    ["JWE header of key wrapping over direct agreement", "alg", "decryption", { jweHeader: { alg: "ECDH-ES+A256KW" } }],
    ...others.map((typ): [string, string, string, Change] => [
      `JWS header typ ${typ}`,
      `typ: ${typ}`,
      "jws-header",
      { jwsHeader: { typ } },
    ]),
    ["JWS header alg none", "alg", "jws-header", { jwsHeader: { alg: "none" } }],
    ["JWS header crit", "crit", "jws-header", { jwsHeader: { crit: ["b64"], b64: true } }],
    ["JWS header jwk", "jwk", "jws-header", { jwsHeader: { jwk: foreign } }],
    ["JWS header of an unknown key", "kid", "unknown-key", { jwsHeader: { kid: keySetKey.kid } }],
    [
      "signed by the key-set key",
      "the signer and its kid",
      "unknown-key",
      { signer: keySetKey, jwsHeader: { kid: keySetKey.kid } },
    ],
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
      "decryption",
      { jwe: (p) => ({ ...p, encryptedKey: "AA" }) },
    ],
    ["BOM before the inner token", "U+FEFF", "base64url", { plaintext: (jws) => `\ufeff${jws}` }],
    ["a request, reflected", "the inner token", "jws-header", { plaintext: () => request }],
    ["another service", "iss", "issuer", { claims: { iss: "another-service" } }],
    ["another device", "aud", "audience", { claims: { aud: otherDeviceId } }],
    ["several audiences", "aud", "claims", { claims: { aud: [deviceId] } }],
    ["another reply key", "replyKey", "key-binding", { claims: { replyKey: await kidOf("oneTimeReply") } }],
    ["another request", "request", "request-binding", { claims: { request: await tokenDigest("another") } }],
    ["another jti", "jti", "request-binding", { claims: { jti: "vector-9876543210" } }],
    ["another seq", "seq", "request-binding", { claims: { seq: 8 } }],
    ["no request", "request is missing", "claims", { claims: { request: undefined } }],
    ["no replyKey", "replyKey is missing", "claims", { claims: { replyKey: undefined } }],
    ["no iat", "iat is missing", "claims", { claims: { iat: undefined } }],
    ["no body", "body is missing", "claims", { claims: { body: undefined } }],
    ["a status that is no code", "status", "claims", { claims: { status: "Not OK" } }],
    ["a code that is no refusal, without its body", "status", "claims", { claims: { status: "maybe" } }],
    ["a refusal whose body is not one", "body", "claims", { claims: { status: "clock" } }],
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
