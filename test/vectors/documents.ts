import { createCipheriv, createHash, hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";

import type { CoSigned } from "@sealpost/protocol/documents/co-signed.ts";
import { tokenTypes } from "@sealpost/protocol/token/jws.ts";
import { type Jwk, thumbprint } from "@sealpost/protocol/token/keys.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import type { TrustClaims } from "@sealpost/protocol/documents/trust.ts";

import { type Json, assembleJws, flipLastBit } from "./assemble.ts";
import {
  type EcName,
  deviceId,
  ecPublicJwk,
  kidOf,
  now,
  otherDeviceId,
  rsaPublicJwk,
  serviceId,
  signerOf,
} from "./test-keys.ts";
import type { VectorFile } from "./vector-file.ts";

const sign = async (
  typ: string,
  claims: Json,
  by: EcName,
  header: Json = {},
  text = JSON.stringify(claims),
): Promise<string> => {
  const signer = await signerOf(by);
  return assembleJws({ alg: "ES256", kid: signer.kid, typ, ...header }, text, signer);
};
const coSign = (typ: string, claims: Json, by: readonly EcName[]) =>
  Promise.all(by.map((name) => sign(typ, claims, name)));
const changeSignature = (token: string) => {
  const at = token.lastIndexOf(".") + 1;
  return token.slice(0, at) + flipLastBit(token.slice(at));
};

/** Made by `certificates()`; the documents of the vectors state the same one. */
function issuingCa(): string {
  const file = JSON.parse(readFileSync(new URL("../../vectors/certificates.json", import.meta.url), "utf8")) as {
    issuingCa: string;
  };
  return file.issuingCa;
}

export const trustClaims = (): TrustClaims => ({
  iss: serviceId,
  iat: now,
  version: 1,
  root: ecPublicJwk("root"),
  standby: ecPublicJwk("standby"),
  issuingCa: issuingCa(),
  keySetKeys: [ecPublicJwk("keySet")],
  receiptKeys: [ecPublicJwk("receipt")],
  releaseKeys: [ecPublicJwk("releaseA"), ecPublicJwk("releaseB"), ecPublicJwk("releaseC")],
  releaseThreshold: 2,
  messageUrls: ["http://messages.example"],
});

export type TrustVector = {
  readonly chain: readonly CoSigned[];
  readonly pins: readonly string[];
  /** Of the document that is believed in the end. */
  readonly version?: number;
  /** What a device of version 1 uses of that document, where it passes over something: URLs, and thumbprints of keys. */
  readonly uses?: {
    readonly messageUrls?: readonly string[];
    readonly keySetKeys?: readonly string[];
    readonly standby?: readonly string[];
  };
};

/** A key and a signature of the sizes of ML-DSA-65, which no device of version 1 knows. */
const laterKey = { kty: "AKP", alg: "ML-DSA-65", pub: Buffer.alloc(1_952, 7).toString("base64url") };
const laterSignature = (typ: string, text: string) => {
  const header = { alg: "ML-DSA-65", kid: "a name of another kind", typ, more: true };
  const parts = [JSON.stringify(header), text, Buffer.alloc(3_309, 7)];
  return parts.map((part) => Buffer.from(part).toString("base64url")).join(".");
};

export async function trust(): Promise<VectorFile<TrustVector>> {
  const typ = tokenTypes.trust;
  const pins = await Promise.all([kidOf("root"), kidOf("standby")]);
  const document = (version: number, root: EcName, by: readonly EcName[], more: Json = {}) =>
    coSign(typ, { ...trustClaims(), version, root: ecPublicJwk(root), ...more }, by);
  const first = await document(1, "root", ["root"]);
  const changed = await document(2, "laterRoot", ["root", "laterRoot"]);
  const after = (...documents: CoSigned[]) => ({ chain: [first, ...documents], pins });
  const valid = [
    { name: "one document", ...after(), version: 1 },
    { name: "a later document of the same root", ...after(await document(2, "root", ["root"])), version: 2 },
    { name: "a root change signed by both", ...after(changed), version: 2 },
    {
      name: "a root change signed by the standby alone",
      ...after(await document(2, "laterRoot", ["standby"])),
      version: 2,
    },
    { name: "two steps", ...after(changed, await document(5, "laterRoot", ["laterRoot"])), version: 5 },
    {
      name: "a first document signed by the pinned standby",
      chain: [await document(1, "laterRoot", ["standby"])],
      pins,
      version: 1,
    },
    {
      name: "pins of the later root",
      chain: [first, changed],
      pins: await Promise.all([kidOf("laterRoot"), kidOf("standby")]),
      version: 2,
    },
    {
      name: "a signature of an unknown party beside",
      ...after(await document(2, "root", ["root", "stranger"])),
      version: 2,
    },
    { name: "an unknown member", ...after(await document(2, "root", ["root"], { extra: 1 })), version: 2 },
    ...(await openDocuments(document, after)),
    {
      name: "an older document behind the newer",
      ...after(changed, await document(2, "root", ["stranger"])),
      version: 2,
    },
  ];
  const unsigned = await document(2, "root", ["root"]);
  const claims = { ...trustClaims(), version: 2 };
  const cases: [name: string, change: string, error: string, vector: TrustVector][] = [
    ["no document", "an empty chain", "unknown-key", { chain: [], pins }],
    ["not the pinned root", "the root", "unknown-key", { chain: [await document(1, "stranger", ["stranger"])], pins }],
    [
      "the pinned root names another",
      "the root of the document",
      "unknown-key",
      { chain: [await document(1, "laterRoot", ["root"])], pins },
    ],
    [
      "a root change signed by the old root alone",
      "the signature of the new root is missing",
      "unknown-key",
      after(await document(2, "laterRoot", ["root"])),
    ],
    [
      "a root change signed by the new root alone",
      "the signature of the old root is missing",
      "unknown-key",
      after(await document(2, "laterRoot", ["laterRoot"])),
    ],
    [
      "a root change signed by a standby that it brings",
      "the standby",
      "unknown-key",
      after(await document(2, "laterRoot", ["stranger"], { standby: ecPublicJwk("stranger") })),
    ],
    ["signed by the key-set key", "the signer", "unknown-key", after(await document(2, "root", ["keySet"]))],
    ["signature changed", "its last bit", "signature", after(unsigned.map(changeSignature))],
    ["another service", "iss", "issuer", after(await document(2, "root", ["root"], { iss: "another-service" }))],
    ["of another type", "typ", "jws-header", after([await sign(tokenTypes.keySet, claims, "root")])],
    [
      "with jwk in the header",
      "jwk",
      "jws-header",
      after([await sign(typ, claims, "root", { jwk: ecPublicJwk("root") })]),
    ],
    ["with crit in the header", "crit", "jws-header", after([await sign(typ, claims, "root", { crit: ["exp"] })])],
    [
      "parts of different payloads",
      "white space in one payload",
      "compact-form",
      after([
        ...(await document(2, "laterRoot", ["root"])),
        await sign(
          typ,
          { ...claims, root: ecPublicJwk("laterRoot") },
          "laterRoot",
          {},
          ` ${JSON.stringify({ ...claims, root: ecPublicJwk("laterRoot") })}`,
        ),
      ]),
    ],
    ["one signer twice", "the second signature", "compact-form", after(await document(2, "root", ["root", "root"]))],
    ["no root", "root is missing", "claims", after(await document(2, "root", ["root"], { root: undefined }))],
    [
      "a private key in it",
      "d of the root",
      "claims",
      after(await document(2, "root", ["root"], { root: { ...ecPublicJwk("root"), d: "A".repeat(43) } })),
    ],
    ["no URL that a device can use", "messageUrls", "claims", after(await document(2, "root", ["root"], unusableUrls))],
    [
      "no key-set key that a device can use",
      "keySetKeys",
      "claims",
      after(await document(2, "root", ["root"], { keySetKeys: [laterKey] })),
    ],
    ["a root of a kind to come", "root", "claims", after(await document(2, "root", ["root"], { root: laterKey }))],
    [
      "signed by an algorithm to come alone",
      "the signature",
      "unknown-key",
      after([laterSignature(typ, JSON.stringify(claims))]),
    ],
    [
      "a signature by an algorithm to come over another payload",
      "white space in its payload",
      "compact-form",
      after([...unsigned, laterSignature(typ, ` ${JSON.stringify(claims)}`)]),
    ],
    ["threshold 0", "releaseThreshold", "claims", after(await document(2, "root", ["root"], { releaseThreshold: 0 }))],
    [
      "a member twice",
      "version twice",
      "json",
      after([
        await sign(typ, claims, "root", {}, JSON.stringify(claims).replace('"version":2', '"version":2,"version":3')),
      ]),
    ],
  ];
  return { valid, invalid: cases.map(([name, change, error, vector]) => ({ name, change, error, ...vector })) };
}

const unusableUrls = {
  messageUrls: [
    "mqtts://messages.example",
    "http://user@messages.example",
    "http://messages.example/?query",
    "http://messages.example:25",
    { url: "http://messages.example" },
    7,
  ],
};

/** Documents in which a device passes over what it does not know. */
async function openDocuments(
  document: (version: number, root: EcName, by: readonly EcName[], more?: Json) => Promise<CoSigned>,
  after: (...documents: CoSigned[]) => Pick<TrustVector, "chain" | "pins">,
): Promise<({ readonly name: string } & TrustVector)[]> {
  const make = async (name: string, more: Json, uses: TrustVector["uses"] = {}) => ({
    name,
    ...after(await document(2, "root", ["root"], more)),
    version: 2,
    uses,
  });
  const { messageUrls } = unusableUrls;
  const keySet = ecPublicJwk("keySet");
  const keySetKeys = [await kidOf("keySet")];
  const claims = JSON.stringify({ ...trustClaims(), version: 2 });
  const [signed = ""] = await document(2, "root", ["root"]);
  const many = Array.from({ length: 40 }, (_, at) => `http://messages-${at}.example`);
  return [
    await make(
      "passed over: URLs that a device cannot use",
      { messageUrls: [...messageUrls, "HTTP://Messages.Example:80/plane/"] },
      { messageUrls: ["http://messages.example/plane"] },
    ),
    await make("forty URLs", { messageUrls: many }, { messageUrls: many }),
    await make("passed over: a key of a kind to come", { keySetKeys: [laterKey, keySet] }, { keySetKeys }),
    await make(
      "passed over: keys of another curve, use or algorithm, and private keys",
      {
        keySetKeys: [
          { ...keySet, crv: "P-384" },
          { ...keySet, use: "enc" },
          { ...keySet, alg: "ES384" },
          { ...ecPublicJwk("stranger"), d: "A".repeat(43) },
          "a text",
          keySet,
        ],
      },
      { keySetKeys },
    ),
    await make(
      "passed over: members of a listed key",
      { keySetKeys: [{ ...keySet, use: "sig", alg: "ES256", kid: "a name", since: now }] },
      { keySetKeys },
    ),
    await make("passed over: a standby of a kind to come", { standby: laterKey }, { standby: [] }),
    await make("a threshold above the keys that are listed", { releaseThreshold: 9 }),
    {
      name: "passed over: a signature by an algorithm to come",
      ...after([laterSignature(tokenTypes.trust, claims), signed]),
      version: 2,
    },
    {
      name: "six signatures",
      ...after(await document(2, "root", ["root", "laterRoot", "standby", "stranger", "releaseA", "releaseB"])),
      version: 2,
    },
  ];
}

export type KeySetVector = {
  readonly token: string;
  /** Of the keys that a device may use. */
  readonly kids?: readonly string[];
  /** Which of them the device seals to, or none; `messageDecryption` where nothing is said. */
  readonly seals?: string | null;
};

export async function keySets(): Promise<VectorFile<KeySetVector>> {
  const typ = tokenTypes.keySet;
  const agreementKid = await kidOf("messageAgreement");
  const signing = { ...ecPublicJwk("messageSigning"), kid: await kidOf("messageSigning"), use: "sig", alg: "ES256" };
  const rsa = { ...rsaPublicJwk(), kid: await thumbprint(rsaPublicJwk()), use: "enc", alg: "RSA-OAEP-256" };
  const agreement = {
    ...ecPublicJwk("messageAgreement"),
    kid: agreementKid,
    use: "enc",
    alg: "ECDH-ES+A256KW",
    nbf: now,
  };
  const base = {
    iss: serviceId,
    iat: now,
    exp: now + limits.keySetSeconds,
    version: now,
    keys: [signing, rsa, agreement],
  };
  const build = (more: Json = {}, by: EcName = "keySet", header: Json = {}) =>
    sign(typ, { ...base, ...more }, by, header);
  const cases: [name: string, change: string, error: string, token: string][] = [
    ["signed by the message-signing key", "the signer and its kid", "unknown-key", await build({}, "messageSigning")],
    [
      "signed by a stranger under the kid of the key-set key",
      "the signer",
      "signature",
      await build({}, "stranger", { kid: await kidOf("keySet") }),
    ],
    ["signature changed", "its last bit", "signature", changeSignature(await build())],
    ["of another type", "typ", "jws-header", await build({}, "keySet", { typ: tokenTypes.trust })],
    ["with jku in the header", "jku", "jws-header", await build({}, "keySet", { jku: "https://attacker.example" })],
    ["another service", "iss", "issuer", await build({ iss: "another-service" })],
    [
      "a kid that is no thumbprint of its key, and no other key",
      "kid of a key",
      "claims",
      await build({ keys: [signing, { ...rsa, kid: agreementKid }] }),
    ],
    ["no version", "version is missing", "claims", await build({ version: undefined })],
    ["no exp", "exp is missing", "claims", await build({ exp: undefined })],
    ["no keys", "keys is missing", "claims", await build({ keys: undefined })],
  ];
  const all = [signing.kid, rsa.kid, agreement.kid];
  /** Keys that a device cannot use are passed over. */
  const passedOver = async (name: string, key: Json) => ({
    name: `passed over: ${name}`,
    token: await build({ keys: [signing, key, rsa] }),
    kids: [signing.kid, rsa.kid],
  });
  return {
    valid: [
      { name: "signing key and both encryption keys", token: await build(), kids: all },
      { name: "expired: it prompts a fetch, never a stop", token: await build({ exp: now - 1 }), kids: all },
      { name: "an unknown member", token: await build({ extra: 1 }), kids: all },
      {
        name: "passed over: what it says of requests in another form",
        token: await build({ accepts: "anything" }),
        kids: all,
      },
      {
        name: "passed over: names of encodings and algorithms to come",
        token: await build({
          accepts: { encodings: ["cose", "jose", 7], requestAlgorithms: ["ML-KEM-768", agreement.alg], more: true },
        }),
        kids: all,
        seals: agreementKid,
      },
      {
        name: "requests in another encoding alone: nothing to seal to",
        token: await build({ accepts: { encodings: ["cose"] } }),
        kids: all,
        seals: null,
      },
      {
        name: "requests of other algorithms alone: nothing to seal to",
        token: await build({ accepts: { encodings: ["jose"], requestAlgorithms: ["ML-KEM-768"] } }),
        kids: all,
        seals: null,
      },
      {
        name: "passed over: members of a listed key",
        token: await build({
          keys: [
            { ...signing, since: now },
            { ...rsa, x5c: ["AAAA"] },
          ],
        }),
        kids: [signing.kid, rsa.kid],
      },
      {
        name: "forty keys of a kind to come beside",
        token: await build({
          keys: [...Array.from({ length: 40 }, (_, at) => ({ ...laterKey, kid: `a name ${at}` })), signing, rsa],
        }),
        kids: [signing.kid, rsa.kid],
      },
      await passedOver("a key of a kind to come", {
        kty: "AKP",
        alg: "ML-DSA-65",
        pub: "AAAA",
        kid: agreementKid,
        use: "sig",
      }),
      await passedOver("alg of another use", { ...agreement, alg: "ES256" }),
      await passedOver("a kid that is no thumbprint of its key", { ...agreement, kid: signing.kid }),
      await passedOver("alg none", { ...agreement, alg: "none" }),
      await passedOver("a private key", { ...agreement, d: "A".repeat(43) }),
      await passedOver("a key without kid", { ...agreement, kid: undefined }),
      await passedOver("an RSA key of 1024 bits", { ...rsa, kid: agreementKid, n: "A".repeat(171) }),
      await passedOver("another RSA exponent", { ...rsa, kid: agreementKid, e: "Aw" }),
    ],
    invalid: cases.map(([name, change, error, token]) => ({ name, change, error, token })),
  };
}

export type ManifestVector = { readonly document: CoSigned };

export async function manifests(): Promise<VectorFile<ManifestVector>> {
  const typ = tokenTypes.manifest;
  const digest = (bytes: number) => createHash("sha256").update(Buffer.alloc(bytes)).digest("base64url");
  const base = {
    iss: serviceId,
    iat: now,
    exp: now + 86_400,
    model: "meter-1",
    hardware: ["r1", "r2"],
    version: "2.0.0",
    counter: 2,
    size: 100_000,
    sha256: digest(100_000),
    recordBytes: 65_536,
    recordsSha256: digest(64),
    object: "firmware-object-0123456789",
  };
  const build = (by: readonly EcName[] = ["releaseA", "releaseB"], more: Json = {}) =>
    coSign(typ, { ...base, ...more }, by);
  const [a = "", b = ""] = await build();
  const cases: [name: string, change: string, error: string, document: CoSigned][] = [
    ["one of two", "the second signature is missing", "signature", [a]],
    ["one twice", "the second signature is the first", "compact-form", [a, a]],
    [
      "one twice, signed anew",
      "the second signature is another of the first key",
      "compact-form",
      [a, ...(await build(["releaseA"]))],
    ],
    ["one of two and a stranger", "the second signer", "signature", await build(["releaseA", "stranger"])],
    [
      "one of two and the message-signing key",
      "the second signer",
      "signature",
      await build(["releaseA", "messageSigning"]),
    ],
    ["one of two and the root", "the second signer", "signature", await build(["releaseA", "root"])],
    ["one signature changed", "its last bit", "signature", [a, changeSignature(b)]],
    [
      "parts of different claims",
      "counter of the second",
      "compact-form",
      [a, ...(await build(["releaseB"], { counter: 3 }))],
    ],
    ["of another type", "typ", "jws-header", await coSign(tokenTypes.receipt, base, ["releaseA", "releaseB"])],
    ["another service", "iss", "issuer", await build(undefined, { iss: "another-service" })],
    ["records too small", "recordBytes", "claims", await build(undefined, { recordBytes: 1_023 })],
    ["records too large", "recordBytes", "claims", await build(undefined, { recordBytes: 1_048_577 })],
    [
      "no digest of the list of records",
      "recordsSha256 is missing",
      "claims",
      await build(undefined, { recordsSha256: undefined }),
    ],
    ["an image too large", "size", "claims", await build(undefined, { size: limits.firmware.imageBytes + 1 })],
    ["counter 0", "counter", "claims", await build(undefined, { counter: 0 })],
    ["no expiry", "exp is missing", "claims", await build(undefined, { exp: undefined })],
    ["no hardware", "hardware", "claims", await build(undefined, { hardware: [] })],
    [
      "an object that leaves its folder",
      "object",
      "claims",
      await build(undefined, { object: "../../other/firmware-object" }),
    ],
  ];
  return {
    valid: [
      { name: "two of three", document: [a, b] },
      { name: "two of three, in another order", document: [b, a] },
      { name: "three of three", document: await build(["releaseA", "releaseB", "releaseC"]) },
      { name: "an unknown member", document: await build(undefined, { extra: 1 }) },
      {
        name: "more hardware than a service of this version publishes, some of a form to come",
        document: await build(undefined, {
          hardware: ["r1", "r2", "r3 or later", ...Array.from({ length: 40 }, (_, at) => `x${at}`)],
        }),
      },
      {
        name: "the largest image in the smallest records",
        document: await build(undefined, { size: limits.firmware.imageBytes, recordBytes: 1_024 }),
      },
      { name: "two of three and a stranger", document: await build(["releaseA", "releaseB", "stranger"]) },
    ],
    invalid: cases.map(([name, change, error, document]) => ({ name, change, error, document })),
  };
}

export type ReceiptVector = { readonly receipt: string };

export async function receipts(): Promise<VectorFile<ReceiptVector>> {
  const base = {
    iss: serviceId,
    sub: deviceId,
    iat: now,
    type: "deregistration",
    signingKey: await kidOf("deviceSigning"),
    encryptionKey: await kidOf("deviceEncryption"),
  };
  const build = (more: Json = {}, by: EcName = "receipt", header: Json = {}) =>
    sign(tokenTypes.receipt, { ...base, ...more }, by, header);
  const cases: [name: string, change: string, error: string, receipt: string][] = [
    ["signed by the message-signing key", "the signer and its kid", "unknown-key", await build({}, "messageSigning")],
    ["signed by a release key", "the signer and its kid", "unknown-key", await build({}, "releaseA")],
    ["signature changed", "its last bit", "signature", changeSignature(await build())],
    ["of another type", "typ", "jws-header", await build({}, "receipt", { typ: tokenTypes.reply })],
    ["another service", "iss", "issuer", await build({ iss: "another-service" })],
    ["another device", "sub", "audience", await build({ sub: otherDeviceId })],
    ["another signing key", "signingKey", "key-binding", await build({ signingKey: await kidOf("stranger") })],
    ["another encryption key", "encryptionKey", "key-binding", await build({ encryptionKey: await kidOf("stranger") })],
    ["of another event", "type", "claims", await build({ type: "revocation" })],
    ["no time", "iat is missing", "claims", await build({ iat: undefined })],
  ];
  return {
    valid: [
      { name: "deregistration", receipt: await build() },
      { name: "an unknown member", receipt: await build({ extra: 1 }) },
    ],
    invalid: cases.map(([name, change, error, receipt]) => ({ name, change, error, receipt })),
  };
}

export type ThumbprintVector = { readonly jwk: Jwk; readonly thumbprint: string };

export async function thumbprints(): Promise<readonly ({ readonly name: string } & ThumbprintVector)[]> {
  const rfc: Jwk = {
    kty: "RSA",
    n: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    e: "AQAB",
  };
  const ours = await Promise.all(
    (["root", "deviceSigning", "deviceEncryption"] as const).map(async (name) => ({
      name,
      jwk: ecPublicJwk(name),
      thumbprint: await kidOf(name),
    })),
  );
  return [{ name: "RFC 7638 §3.1", jwk: rfc, thumbprint: "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" }, ...ours];
}

export type ContentVector = {
  /** Input keying material, base64url. */
  readonly contentKey: string;
  readonly recordSize: number;
  /** Header and records, base64url. */
  readonly content: string;
  /** Data of the records, base64url. */
  readonly records?: readonly string[];
  /** The list of records: SHA-256 of each encrypted one, base64url. */
  readonly recordList?: string;
};

/** Contents are deterministic: the salt is fixed. */
export function contents(): VectorFile<ContentVector> {
  const material = Buffer.alloc(32, 7);
  const salt = Buffer.from("0123456789abcdef");
  const recordSize = 64 + 17;
  const data = [Buffer.alloc(64, "a"), Buffer.alloc(64, "b"), Buffer.from("the end")];
  const encode = (
    change: { delimiters?: number[]; sequence?: number[]; idLength?: number; size?: number; cut?: number } = {},
  ) => {
    const { delimiters = [1, 1, 2], sequence = [0, 1, 2], idLength = 0, size = recordSize, cut = 0 } = change;
    const header = Buffer.alloc(21);
    salt.copy(header);
    header.writeUInt32BE(size, 16);
    header[20] = idLength;
    const key = Buffer.from(hkdfSync("sha256", material, salt, "Content-Encoding: aes128gcm\0", 16));
    const base = Buffer.from(hkdfSync("sha256", material, salt, "Content-Encoding: nonce\0", 12));
    const records = data.map((plain, at) => {
      const nonce = Buffer.from(base);
      nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ (sequence[at] ?? 0)) >>> 0, 8);
      const cipher = createCipheriv("aes-128-gcm", key, nonce);
      const sealed = Buffer.concat([
        cipher.update(plain),
        cipher.update(Buffer.from([delimiters[at] ?? 0])),
        cipher.final(),
      ]);
      return Buffer.concat([sealed, cipher.getAuthTag()]);
    });
    const whole = Buffer.concat([header, Buffer.alloc(idLength), ...records]);
    return {
      contentKey: material.toString("base64url"),
      recordSize,
      content: whole.subarray(0, whole.length - cut).toString("base64url"),
    };
  };
  const flipped = encode();
  const flip = (at: number) => {
    const bytes = Buffer.from(flipped.content, "base64url");
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    return { ...flipped, content: bytes.toString("base64url") };
  };
  const rfc = {
    contentKey: "yqdlZ-tYemfogSmv7Ws5PQ",
    recordSize: 4_096,
    content: "I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg",
  };
  const cases: [name: string, change: string, vector: ContentVector][] = [
    ["salt changed", "its first bit", flip(0)],
    ["first record changed", "one bit", flip(21)],
    ["last record changed", "one bit", flip(21 + 2 * recordSize)],
    ["records exchanged", "the first two", encode({ sequence: [1, 0, 2] })],
    ["last delimiter in the middle", "delimiter of the second record", encode({ delimiters: [1, 2, 2] })],
    ["no last delimiter", "delimiter of the short last record", encode({ delimiters: [1, 1, 1] })],
    ["no delimiter", "a zero octet, which is padding", encode({ delimiters: [1, 1, 0] })],
    ["another record size", "the header", encode({ size: recordSize + 1 })],
    ["a key id", "the header", encode({ idLength: 1 })],
    ["cut inside the last record", "one byte less", encode({ cut: 1 })],
    ["another key", "the keying material", { ...flipped, contentKey: Buffer.alloc(32, 8).toString("base64url") }],
  ];
  const recordListOf = ({ content, recordSize: size }: ContentVector) => {
    const records = Buffer.from(content, "base64url").subarray(21);
    const digests: Buffer[] = [];
    for (let at = 0; at < records.length; at += size) {
      digests.push(
        createHash("sha256")
          .update(records.subarray(at, at + size))
          .digest(),
      );
    }
    return { recordList: Buffer.concat(digests).toString("base64url") };
  };
  return {
    valid: [
      {
        name: "RFC 8188 §3.1",
        ...rfc,
        ...recordListOf(rfc),
        records: [Buffer.from("I am the walrus").toString("base64url")],
      },
      {
        name: "three records",
        ...encode(),
        ...recordListOf(encode()),
        records: data.map((plain) => plain.toString("base64url")),
      },
    ],
    invalid: cases.map(([name, change, vector]) => ({ name, change, error: "null", ...vector })),
  };
}
