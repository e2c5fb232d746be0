import { compactDecrypt } from "jose";
import { describe, expect, test } from "vitest";

import type { TokenEngine } from "@sealpost/protocol/suites/engine.ts";
import { ecdhEs } from "@sealpost/protocol/suites/ecdh-es.ts";
import { portableEngine } from "@sealpost/protocol/suites/portable-engine.ts";
import { es256 } from "@sealpost/protocol/suites/es256.ts";
import { type Codec, nodeCodec, webCodec } from "@sealpost/protocol/token/codec.ts";
import { parseJws, signJws, tokenDigest, tokenTypes, verifyJws } from "@sealpost/protocol/token/jws.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import fc from "fast-check";

import { nodeEngine } from "../../functions/engine/node-engine.ts";
import { asItStands, escaped, writeCanonical } from "../../functions/receive/digest.ts";
import { rsaOpener } from "../support/software-custody.ts";
import { agreementKey, signingKey } from "../support/keys.ts";
import canonicalize from "canonicalize";

/** What every engine must do, and refuse, alike. */
const engines: [string, TokenEngine][] = [
  ["portable", portableEngine],
  ["node", nodeEngine],
];
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));

describe.each(engines)("engine: %s", (_, engine) => {
  test("ok/digests and thumbprints", async () => {
    const bytes = random(700);
    expect(await engine.sha256(bytes)).toEqual(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
    const { jwk } = await signingKey();
    expect(await engine.thumbprint(jwk)).toBe(await thumbprint(jwk));
    expect(await engine.thumbprint({ ...jwk, alg: "ECDH-ES" })).toBe(await thumbprint(jwk));
    const rsa = (await rsaOpener()).jwk;
    expect(await engine.thumbprint(rsa)).toBe(await thumbprint(rsa));
  });

  test("ok/a signature by a key, fails/under another key of its type, or with a bit flipped", async () => {
    const [key, other] = [await signingKey(), await signingKey()];
    const token = await signJws(tokenTypes.request, { a: 1 }, key);
    const jws = parseJws(tokenTypes.request, token);
    await verifyJws(jws, key.jwk, engine);
    expect(await tokenDigest(token, engine)).toBe(await tokenDigest(jws.bytes));
    await expect(verifyJws(jws, other.jwk, engine)).rejects.toMatchObject({ code: "signature" });
    for (const member of ["signature", "signingInput"] as const) {
      const flipped = jws[member].map((byte, at) => (at === 20 ? byte ^ 1 : byte));
      await expect(verifyJws({ ...jws, [member]: flipped }, key.jwk, engine)).rejects.toMatchObject({
        code: "signature",
      });
    }
    for (const signature of [new Uint8Array(64), new Uint8Array(64).fill(0xff)])
      await expect(verifyJws({ ...jws, signature }, key.jwk, engine)).rejects.toMatchObject({ code: "signature" });
    const known = { x: key.jwk.x, y: other.jwk.y };
    await expect(verifyJws(jws, { ...key.jwk, ...known }, engine)).rejects.toMatchObject({ code: "signature" });
  });

  test("ok/content of WebCrypto's, fails/under another key, header, vector or tag", async () => {
    const contentKey = random(32);
    const [iv, additionalData, text] = [random(12), random(90), random(5_000)];
    const key = await crypto.subtle.importKey("raw", contentKey, "AES-GCM", false, ["encrypt"]);
    const both = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, key, text));
    const sealed = { iv, additionalData, ciphertext: both.slice(0, -16), tag: both.slice(-16) };
    expect(await engine.decryptContent(contentKey, sealed)).toEqual(text);
    const attempt = async (key: Uint8Array<ArrayBuffer>, varied: object) =>
      engine.decryptContent(key, { ...sealed, ...varied });
    await expect(attempt(random(32), {})).rejects.toBeInstanceOf(Error);
    for (const varied of [
      { iv: random(12) },
      { additionalData: random(90) },
      { tag: random(16) },
      { ciphertext: text },
    ])
      await expect(attempt(contentKey, varied)).rejects.toBeInstanceOf(Error);
  });

  test("ok/jose and the device open what it seals, fails/another key does not", async () => {
    const [key, other] = [await agreementKey(), await agreementKey()];
    for (const text of ["a.b.c", "A".repeat(200_000)]) {
      const token = await engine.sealCompact(new TextEncoder().encode(text), { alg: ecdhEs.alg }, key.jwk);
      const { plaintext, protectedHeader } = await compactDecrypt(token, key.pair.privateKey);
      expect(new TextDecoder().decode(plaintext)).toBe(text);
      expect(ecdhEs.header.safeParse(protectedHeader).success).toBe(true);
      expect(await ecdhEs.open(token, key.pair.privateKey)).toEqual(new Uint8Array(plaintext));
      await expect(ecdhEs.open(token, other.pair.privateKey)).rejects.toBeInstanceOf(Error);
    }
  });

  test("ok/a point of the curve, fails/one that is not, the second time too", async () => {
    const [{ jwk }, other] = [await agreementKey(), await agreementKey()];
    expect(await engine.isUsable(jwk, ecdhEs.alg)).toBe(true);
    const off = { ...jwk, y: other.jwk.y };
    for (let time = 0; time < 2; time += 1) expect(await engine.isUsable(off, ecdhEs.alg)).toBe(false);
    await expect(
      (async () => engine.sealCompact(signed.signingInput, { alg: ecdhEs.alg }, off))(),
    ).rejects.toBeInstanceOf(Error);
    await expect((async () => engine.verify(es256, off, signed))()).rejects.toBeInstanceOf(Error);
  });
});

const signed = { signingInput: new Uint8Array(10), signature: new Uint8Array(64).fill(1) };

describe("codecs", () => {
  const node = nodeCodec();
  const codecs: Codec[] = node ? [node, webCodec] : [webCodec];
  const utf8 = new TextEncoder();
  const alphabet = "ABab09-_-_-_+/= \n\u0000\u00c4\u0141\ud800";

  test("ok/both accept and refuse the same, and read the same", () => {
    expect(codecs).toHaveLength(2);
    const texts = fc.string({ unit: fc.constantFrom(...Array.from(alphabet), "QUJD"), maxLength: 20 });
    fc.assert(
      fc.property(texts, (text) => {
        fc.pre(text.length % 4 !== 1);
        const [ours, theirs] = codecs.map((codec) => codec.decodeBase64url(text));
        expect(ours).toEqual(theirs);
        for (const codec of codecs) expect(codec.decodeBase64url(utf8.encode(text))).toEqual(theirs);
      }),
      { numRuns: 3_000 },
    );
    for (let code = 0; code < 0x1_00_00; code += 1) {
      const [ours, theirs] = codecs.map((codec) => codec.decodeBase64url(`AAAA${String.fromCharCode(code)}AA`));
      if ((ours === null) !== (theirs === null)) throw new Error(`U+${code.toString(16)}`);
    }
  });

  test("ok/both write the same", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const [ours, theirs] = codecs.map((codec) => codec.encodeBase64url(bytes));
        expect(ours).toBe(theirs);
        for (const codec of codecs) expect(codec.encodeBase64urlBytes(bytes)).toEqual(utf8.encode(theirs));
      }),
    );
  });

  test("ok/of any size, fails/one character that does not belong, wherever it is", () => {
    for (const size of [12_287, 12_288, 12_289, 24_576, 40_000]) {
      const bytes = new Uint8Array(size).map((_, n) => n * 7 + (n >> 8));
      const text = Buffer.from(bytes).toString("base64url");
      for (const codec of codecs) {
        expect(codec.encodeBase64url(bytes)).toBe(text);
        expect(codec.encodeBase64urlBytes(bytes)).toEqual(utf8.encode(text));
        expect(codec.decodeBase64url(text)).toEqual(bytes);
        expect(codec.decodeBase64url(utf8.encode(text))).toEqual(bytes);
        for (const at of [0, 16_383, 16_384, text.length - 1].filter((at) => at < text.length)) {
          for (const wrong of ["=", "+", "/", " ", "\u00c4"]) {
            const broken = Buffer.from(`${text.slice(0, at)}${wrong}${text.slice(at + 1)}`, "latin1");
            expect(codec.decodeBase64url(new Uint8Array(broken))).toBeNull();
          }
        }
      }
    }
  });
});

describe("canonical JSON", () => {
  test("ok/is the library's, whatever the names of members", () => {
    const key = fc.oneof(fc.string(), fc.constantFrom("0", "10", "9", "01", "-1", "a", "B", "\u20ac"));
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue({ maxDepth: 0 }),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(key, tie("value"), { maxKeys: 5 }),
      ),
    }));
    fc.assert(
      fc.property(value, (value) => {
        const text = JSON.stringify(value);
        const parsed: unknown = JSON.parse(text);
        for (const writeString of text.includes("\\") ? [escaped] : [escaped, asItStands]) {
          const pieces: string[] = [];
          writeCanonical(parsed, writeString, (piece) => pieces.push(piece));
          expect(pieces.join("")).toBe(canonicalize(parsed));
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
