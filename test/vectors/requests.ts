import { limits } from "@sealpost/protocol/limits.ts";
import { paddedLength } from "@sealpost/protocol/token/padding.ts";
import { tokenTypes } from "@sealpost/protocol/token/jws.ts";

import { type Json, type KeyManagement, assembleJwe, assembleJws, flipLastBit, withUnusedBits } from "./assemble.ts";
import {
  type EcName,
  deviceId,
  ecPrivateJwk,
  ecPublicJwk,
  kidOf,
  now,
  otherDeviceId,
  rsaPublicJwk,
  serviceId,
  signerOf,
} from "./test-keys.ts";
import type { VectorFile } from "./vector-file.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";

export type RequestVector = {
  readonly token: string;
  /** The inner JWS, where the token opens. */
  readonly jws?: string;
  /** What a sealed refusal names; the error is then that of the refusal. */
  readonly field?: string;
};

type Change = {
  readonly jweHeader?: Json | ((header: Json) => Json | string);
  readonly jwsHeader?: Json | ((header: Json) => Json | string);
  readonly claims?: Json;
  readonly payload?: (text: string) => string | Uint8Array;
  readonly jws?: (jws: string) => string;
  readonly plaintext?: (jws: string) => string | Uint8Array;
  readonly jwe?: Parameters<typeof assembleJwe>[3];
  readonly token?: (token: string) => string;
  readonly signer?: Awaited<ReturnType<typeof signerOf>>;
  readonly to?: KeyManagement;
};

const apply = (header: Json, change: Change["jweHeader"]): Json | string =>
  typeof change === "function" ? change(header) : { ...header, ...change };

/** A member without a value is left out by JSON.stringify. */
const absent = undefined;
const oneTime = (name: EcName) => ({ ...ecPublicJwk(name), alg: "ECDH-ES" });
const without = (name: string) => ({ [name]: absent });

export async function requests(): Promise<VectorFile<RequestVector>> {
  const [device, encryptionKid, rsaKid, agreementKid] = await Promise.all([
    signerOf("deviceSigning"),
    kidOf("deviceEncryption"),
    thumbprint(rsaPublicJwk()),
    kidOf("messageAgreement"),
  ]);
  const stranger = await signerOf("stranger");
  const servers = {
    rsa: { kid: rsaKid, management: { kind: "rsa", jwk: rsaPublicJwk() } },
    agreement: { kid: agreementKid, management: { kind: "agreement", jwk: ecPublicJwk("messageAgreement") } },
  } as const satisfies Record<string, { kid: string; management: KeyManagement }>;

  const claimsTo = (kid: string): Json => ({
    iss: deviceId,
    aud: serviceId,
    iat: now,
    exp: now + limits.lifetimeSeconds,
    jti: "vector-0123456789",
    seq: 7,
    ack: 6,
    serverKey: kid,
    replyKey: encryptionKid,
    operation: "register",
    body: { model: "meter-1", hardware: "r1", firmware: { version: "1.0.0", counter: 1 }, capabilities: [] },
  });

  const build = async (server: keyof typeof servers, change: Change = {}): Promise<{ token: string; jws: string }> => {
    const { kid, management } = servers[server];
    const alg = server === "rsa" ? "RSA-OAEP-256" : "ECDH-ES+A256KW";
    const header = apply({ alg: "ES256", typ: tokenTypes.request }, change.jwsHeader);
    const text = JSON.stringify({ ...claimsTo(kid), ...change.claims });
    const padded = text.padEnd(paddedLength(text.length, limits.padding.request));
    const made = await assembleJws(header, change.payload?.(padded) ?? padded, change.signer ?? device);
    const jws = change.jws?.(made) ?? made;
    const outer = (epk: object | undefined) =>
      apply({ alg, enc: "A256GCM", kid, cty: "JWT", ...(epk ? { epk } : {}) }, change.jweHeader);
    const token = assembleJwe(outer, change.plaintext?.(jws) ?? jws, change.to ?? management, change.jwe);
    return { token: change.token?.(token) ?? token, jws };
  };

  const valid = await Promise.all(
    (
      [
        ["RSA-OAEP-256", "rsa", {}],
        ["ECDH-ES+A256KW", "agreement", {}],
        ["one-time reply key", "agreement", { claims: { replyKey: oneTime("oneTimeReply") } }],
        ["the largest reply that the device takes", "agreement", { claims: { replyBytes: 2_048 } }],
        ["admission", "agreement", { jweHeader: { admission: "anything an intermediary wants" } }],
        ["no padding", "agreement", { payload: (text: string) => text.trim() }],
      ] as const satisfies [string, keyof typeof servers, Change][]
    ).map(async ([name, server, change]) => ({ name, ...(await build(server, change)) })),
  );

  type Case = [name: string, change: string, error: string, server: keyof typeof servers, made: Change];
  const header = (name: string, value: unknown): Case => [
    `JWE header ${name}`,
    `${name}: ${JSON.stringify(value)}`,
    "jwe-header",
    "agreement",
    { jweHeader: { [name]: value } },
  ];
  const inner = (name: string, value: unknown): Case => [
    `JWS header ${name}`,
    `${name}: ${JSON.stringify(value)}`,
    "jws-header",
    "agreement",
    { jwsHeader: { [name]: value } },
  ];
  const foreign = ecPublicJwk("stranger");
  const { d } = ecPrivateJwk("stranger");

  const outerHeaders: Case[] = [
    header("zip", "DEF"),
    header("crit", ["exp"]),
    header("b64", false),
    header("jwk", foreign),
    header("jku", "https://attacker.example/keys"),
    header("x5u", "https://attacker.example/chain"),
    header("x5c", ["AAAA"]),
    header("typ", "JWT"),
    header("apu", "QWxpY2U"),
    header("apv", "Qm9i"),
    header("iss", deviceId),
    header("unknown", 1),
    header("enc", "A128GCM"),
    header("enc", "A256CBC-HS512"),
    header("alg", "ECDH-ES"),
    header("alg", "ECDH-ES+A128KW"),
    header("alg", "dir"),
    header("alg", "RSA-OAEP"),
    header("alg", "RSA1_5"),
    header("alg", "PBES2-HS256+A128KW"),
    header("cty", "jwt"),
    header("cty", "JOSE"),
    header("admission", "a".repeat(257)),
    header("kid", "short"),
    header("epk", { ...foreign, d }),
    header("epk", { ...foreign, crv: "P-384" }),
    [
      "JWE header alg and enc swapped",
      "each in the other's place",
      "jwe-header",
      "agreement",
      { jweHeader: { alg: "A256GCM", enc: "ECDH-ES+A256KW" } },
    ],
    ["JWE header without cty", "cty is missing", "jwe-header", "agreement", { jweHeader: without("cty") }],
    ["JWE header without kid", "kid is missing", "jwe-header", "agreement", { jweHeader: without("kid") }],
    ["JWE header without enc", "enc is missing", "jwe-header", "agreement", { jweHeader: without("enc") }],
    ["JWE header without alg", "alg is missing", "jwe-header", "agreement", { jweHeader: without("alg") }],
    ["JWE header without epk", "epk is missing", "jwe-header", "agreement", { jweHeader: without("epk") }],
    ["JWE header with epk and RSA", "epk", "jwe-header", "rsa", { jweHeader: { epk: foreign } }],
    [
      "JWE header of a key of the other algorithm",
      "kid is that of the RSA key",
      "jwe-header",
      "agreement",
      { jweHeader: { kid: rsaKid } },
    ],
    [
      "JWE header of the other key, RSA",
      "kid is that of the EC key",
      "jwe-header",
      "rsa",
      { jweHeader: { kid: agreementKid } },
    ],
    ["JWE header of an unknown key", "kid", "retired-key", "agreement", { jweHeader: { kid: stranger.kid } }],
    [
      "JWE header, member twice",
      "kid twice",
      "json",
      "agreement",
      { jweHeader: (h) => JSON.stringify(h).replace("{", `{"kid":"${stranger.kid}",`) },
    ],
    ["JWE header with a BOM", "U+FEFF", "json", "agreement", { jweHeader: (h) => `\ufeff${JSON.stringify(h)}` }],
    [
      "JWE header too large",
      "white space",
      "too-large",
      "agreement",
      { jweHeader: (h) => JSON.stringify(h).padEnd(limits.headerBytes + 1) },
    ],
    ["JWE header that is a list", "[]", "jwe-header", "agreement", { jweHeader: () => "[]" }],
    [
      "JWE header rewritten after encryption",
      "white space in the header: other bytes are authenticated",
      "decryption",
      "agreement",
      {
        jwe: (parts) => ({
          ...parts,
          header: Buffer.from(`${Buffer.from(parts.header, "base64url").toString()} `).toString("base64url"),
        }),
      },
    ],
    ["epk of another sender", "epk", "decryption", "agreement", { jweHeader: { epk: foreign } }],
    [
      "epk off the curve",
      "y of epk",
      "decryption",
      "agreement",
      {
        jweHeader: (h) => ({
          ...h,
          epk: { ...foreign, y: `${foreign.y.startsWith("A") ? "B" : "A"}${foreign.y.slice(1)}` },
        }),
      },
    ],
  ];

  const segments: Case[] = [
    [
      "four parts",
      "the tag is missing",
      "compact-form",
      "agreement",
      { token: (t) => t.split(".").slice(0, 4).join(".") },
    ],
    ["six parts", "one part more", "compact-form", "agreement", { token: (t) => `${t}.AA` }],
    ["padding", "= behind the tag", "base64url", "agreement", { token: (t) => `${t}==` }],
    ["line break", "a line break behind it", "base64url", "agreement", { token: (t) => `${t}\n` }],
    ["tag not canonical", "unused bits of the last character", "base64url", "agreement", { token: withUnusedBits }],
    [
      "initialization vector too short",
      "11 bytes",
      "compact-form",
      "agreement",
      {
        jwe: (p) => ({ ...p, iv: Buffer.from(p.iv, "base64url").subarray(1).toString("base64url") }),
      },
    ],
    [
      "boundary of ciphertext and tag moved",
      "one byte of the tag at the end of the ciphertext",
      "compact-form",
      "agreement",
      {
        jwe: (p) => {
          const [text, tag] = [Buffer.from(p.ciphertext, "base64url"), Buffer.from(p.tag, "base64url")];
          return {
            ...p,
            ciphertext: Buffer.concat([text, tag.subarray(0, 1)]).toString("base64url"),
            tag: tag.subarray(1).toString("base64url"),
          };
        },
      },
    ],
    [
      "ciphertext changed",
      "its last bit",
      "decryption",
      "agreement",
      { jwe: (p) => ({ ...p, ciphertext: flipLastBit(p.ciphertext) }) },
    ],
    ["tag changed", "its last bit", "decryption", "agreement", { jwe: (p) => ({ ...p, tag: flipLastBit(p.tag) }) }],
    ["vector changed", "its last bit", "decryption", "agreement", { jwe: (p) => ({ ...p, iv: flipLastBit(p.iv) }) }],
    [
      "encrypted key changed",
      "its last bit",
      "decryption",
      "agreement",
      { jwe: (p) => ({ ...p, encryptedKey: flipLastBit(p.encryptedKey) }) },
    ],
    [
      "encrypted key changed, RSA",
      "its last bit",
      "decryption",
      "rsa",
      { jwe: (p) => ({ ...p, encryptedKey: flipLastBit(p.encryptedKey) }) },
    ],
    ["no encrypted key", "empty", "decryption", "agreement", { jwe: (p) => ({ ...p, encryptedKey: "" }) }],
    ["no encrypted key, RSA", "empty", "decryption", "rsa", { jwe: (p) => ({ ...p, encryptedKey: "" }) }],
    [
      "sealed to a key that is not the service's",
      "the recipient",
      "decryption",
      "agreement",
      { to: { kind: "agreement", jwk: foreign } },
    ],
    [
      "direct key agreement under the header of key wrapping",
      "the key management",
      "decryption",
      "agreement",
      {
        to: { kind: "direct", jwk: ecPublicJwk("messageAgreement") },
      },
    ],
    ["BOM before the inner token", "U+FEFF", "base64url", "agreement", { plaintext: (jws) => `\ufeff${jws}` }],
    [
      "a byte that is no text behind the inner token",
      "0xff",
      "base64url",
      "agreement",
      {
        plaintext: (jws) => Buffer.concat([Buffer.from(jws), Buffer.from([0xff])]),
      },
    ],
    [
      "claims that are not signed",
      "no JWS inside",
      "base64url",
      "agreement",
      { plaintext: () => JSON.stringify(claimsTo(agreementKid)) },
    ],
    [
      "inner token without signature",
      "an empty signature",
      "compact-form",
      "agreement",
      { jws: (jws) => jws.slice(0, jws.lastIndexOf(".") + 1) },
    ],
  ];

  const types = Object.values(tokenTypes).filter((typ) => typ !== tokenTypes.request);
  const innerHeaders: Case[] = [
    ...types.map((typ) => inner("typ", typ)),
    inner("typ", "JWT"),
    inner("typ", "SEALPOST-REQUEST+JWT"),
    inner("typ", "application/sealpost-request+jwt"),
    inner("alg", "none"),
    inner("alg", "HS256"),
    inner("alg", "ES384"),
    inner("alg", "RS256"),
    inner("zip", "DEF"),
    inner("crit", ["b64"]),
    inner("b64", false),
    inner("jwk", foreign),
    inner("jku", "https://attacker.example/keys"),
    inner("x5u", "https://attacker.example/chain"),
    inner("x5c", ["AAAA"]),
    inner("cty", "JWT"),
    inner("unknown", 1),
    ["JWS header without typ", "typ is missing", "jws-header", "agreement", { jwsHeader: without("typ") }],
    ["JWS header without alg", "alg is missing", "jws-header", "agreement", { jwsHeader: without("alg") }],
    [
      "JWS header, member twice",
      "alg twice",
      "json",
      "agreement",
      { jwsHeader: (h) => JSON.stringify(h).replace("{", '{"alg":"none",') },
    ],
    ["JWS header with a BOM", "U+FEFF", "json", "agreement", { jwsHeader: (h) => `\ufeff${JSON.stringify(h)}` }],
    [
      "JWS header too large",
      "white space",
      "too-large",
      "agreement",
      { jwsHeader: (h) => JSON.stringify(h).padEnd(limits.headerBytes + 1) },
    ],
    inner("kid", device.kid),
    ["signature by another key", "the signer", "signature", "agreement", { signer: stranger }],
    [
      "signature changed",
      "its last bit",
      "signature",
      "agreement",
      {
        jws: (jws) => {
          const at = jws.lastIndexOf(".") + 1;
          return jws.slice(0, at) + flipLastBit(jws.slice(at));
        },
      },
    ],
    [
      "signature of zeros",
      "r = s = 0",
      "signature",
      "agreement",
      { jws: (jws) => `${jws.slice(0, jws.lastIndexOf("."))}.${"A".repeat(86)}` },
    ],
    [
      "signature in DER",
      "the encoding",
      "compact-form",
      "agreement",
      {
        jws: (jws) =>
          `${jws.slice(0, jws.lastIndexOf("."))}.${Buffer.from(`3045022100${"81".repeat(32)}0220${"11".repeat(32)}`, "hex").toString("base64url")}`,
      },
    ],
    ["signature not canonical", "unused bits of the last character", "base64url", "agreement", { jws: withUnusedBits }],
    [
      "claims changed after signing",
      "seq",
      "signature",
      "agreement",
      {
        jws: (jws) => {
          const [head = "", payload = "", signature = ""] = jws.split(".");
          const text = Buffer.from(payload, "base64url").toString().replace('"seq":7', '"seq":8');
          return [head, Buffer.from(text).toString("base64url"), signature].join(".");
        },
      },
    ],
  ];

  const claim = (name: string, value: unknown, error: string): Case => [
    value === absent ? `no ${name}` : `${name} ${JSON.stringify(value)}`,
    `claim ${name}`,
    error,
    "agreement",
    { claims: { [name]: value } },
  ];
  const binding: Case[] = [
    claim("iss", absent, "claims"),
    claim("iss", "device", "claims"),
    claim("iss", otherDeviceId, "issuer"),
    claim("iss", deviceId.toUpperCase(), "issuer"),
    claim("aud", absent, "claims"),
    claim("aud", [serviceId], "claims"),
    claim("aud", [serviceId, "another"], "claims"),
    claim("aud", "another-service", "audience"),
    claim("aud", deviceId, "audience"),
    claim("serverKey", absent, "claims"),
    claim("serverKey", rsaKid, "key-binding"),
    claim("serverKey", stranger.kid, "key-binding"),
    [
      "claims with a member twice",
      "seq twice",
      "json",
      "agreement",
      { payload: (text) => text.replace('"seq":7', '"seq":7,"seq":8') },
    ],
    [
      "claims with a member of the body twice",
      "model twice",
      "json",
      "agreement",
      {
        payload: (text) => text.replace('"model":', '"model":"a","\\u006dodel":'),
      },
    ],
    ["claims with a BOM", "U+FEFF", "json", "agreement", { payload: (text) => `\ufeff${text}` }],
    [
      "claims in bad UTF-8",
      "0xff",
      "json",
      "agreement",
      { payload: (text) => Buffer.concat([Buffer.from([0xff]), Buffer.from(text)]) },
    ],
    [
      "claims with a lone surrogate",
      "the model",
      "json",
      "agreement",
      { payload: (text) => text.replace("meter-1", "\\ud83d") },
    ],
    [
      "claims too deep",
      "the capabilities",
      "json",
      "agreement",
      { payload: (text) => text.replace("[]", `${"[".repeat(15)}${"]".repeat(15)}`) },
    ],
    ["claims that are a list", "[]", "claims", "agreement", { payload: () => "[]" }],
    [
      "padding that is not white space",
      "NUL behind the claims",
      "json",
      "agreement",
      { payload: (text) => `${text.trim()}\u0000` },
    ],
  ];

  const unauthenticated = await Promise.all(
    [...outerHeaders, ...segments, ...innerHeaders, ...binding].map(async ([name, change, error, server, made]) => ({
      name,
      change,
      error,
      token: (await build(server, made)).token,
    })),
  );

  type Refused = [name: string, claims: Json, field: string];
  const refused: Refused[] = [
    ["no iat", without("iat"), "iat"],
    ["no exp", without("exp"), "exp"],
    ["no jti", without("jti"), "jti"],
    ["no seq", without("seq"), "seq"],
    ["no ack", without("ack"), "ack"],
    ["no replyKey", without("replyKey"), "replyKey"],
    ["no operation", without("operation"), "operation"],
    ["no body", without("body"), "body"],
    ["iat as text", { iat: String(now) }, "iat"],
    ["exp with a fraction", { exp: now + 0.5 }, "exp"],
    ["jti too short", { jti: "short" }, "jti"],
    ["seq 0", { seq: 0 }, "seq"],
    ["seq beyond safe integers", { seq: 2 ** 53 }, "seq"],
    ["ack equal to seq", { ack: 7 }, "ack"],
    ["negative ack", { ack: -1 }, "ack"],
    ["reply key that nobody certified", { replyKey: stranger.kid }, "replyKey"],
    [
      "one-time reply key with its private half",
      { replyKey: { ...oneTime("stranger"), d } },
      "replyKey.(unknown member)",
    ],
    ["one-time reply key without alg", { replyKey: foreign }, "replyKey"],
    ["one-time reply key of an algorithm to come", { replyKey: { ...foreign, alg: "ML-KEM-768" } }, "replyKey"],
    ["one-time reply key for key wrapping", { replyKey: { ...foreign, alg: "ECDH-ES+A256KW" } }, "replyKey"],
    ["the certified key as a one-time key", { replyKey: oneTime("deviceEncryption") }, "replyKey"],
    ["the signing key as a one-time key", { replyKey: oneTime("deviceSigning") }, "replyKey"],
    ["replyBytes below the least", { replyBytes: 2_047 }, "replyBytes"],
    ["replyBytes as text", { replyBytes: "4096" }, "replyBytes"],
    ["operation in capitals", { operation: "Register" }, "operation"],
    ["body as a list", { body: [] }, "body"],
    ["unknown claim", { nbf: now }, "(unknown member)"],
  ];
  const sealed = await Promise.all(
    refused.map(async ([name, claims, field]) => ({
      name,
      change: `claim ${Object.keys(claims).join()}; told under seal`,
      error: "malformed",
      field,
      ...(await build("agreement", { claims })),
    })),
  );
  return { valid, invalid: [...unauthenticated, ...sealed] };
}
