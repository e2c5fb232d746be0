import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { derToRaw, rawToDer } from "@sealpost/protocol/token/der.ts";
import { decodeBase64url, encodeBase64url, parseJson } from "@sealpost/protocol/token/strict.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";

const utf8 = new TextEncoder();

/** The value, or undefined if it is refused as it must be: by a TokenError and nothing else. */
function tryTo<T>(open: () => T): { readonly value: T } | undefined {
  try {
    return { value: open() };
  } catch (error) {
    if (!isTokenError(error)) throw error;
    return undefined;
  }
}

function native(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

const isPlain = (value: unknown) => !JSON.stringify(value).includes('"__proto__":');
const values = fc.jsonValue({ maxDepth: 8, stringUnit: "binary" }).filter(isPlain);
const spaces = fc.string({ unit: fc.constantFrom(" ", "\n", "\t", "\r"), maxLength: 8 });

describe("strict JSON", () => {
  test("ok/every value that JSON.stringify makes, with any padding", () => {
    fc.assert(
      fc.property(values, spaces, spaces, (value, before, behind) => {
        const text = `${before}${JSON.stringify(value)}${behind}`;
        expect(parseJson(utf8.encode(text), "test")).toEqual(JSON.parse(text));
      }),
    );
  });

  test("fails/whatever JSON.parse refuses, and what is accepted has its value", () => {
    const pieces = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      '"b"',
      '"\\u0061"',
      "1",
      "-0",
      "1e9",
      "1e400",
      "true",
      "null",
      " ",
      "\ufeff",
      '"',
      "/**/",
      "\\",
    );
    const texts = fc.oneof(
      fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join("")),
      fc.string({ unit: "binary" }),
      fc.json(),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const strict = tryTo(() => parseJson(utf8.encode(text), "test"));
        expect(strict ?? native(text)).toEqual(native(text));
      }),
      { numRuns: 2_000 },
    );
  });

  test("fails/any member twice, wherever it is", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        values,
        values,
        fc.array(fc.boolean(), { maxLength: 5 }),
        (name, first, second, path) => {
          const key = JSON.stringify(name);
          const inner = `{${key}:${JSON.stringify(first)},"other":0,${escapeAll(name)}:${JSON.stringify(second)}}`;
          const text = path.reduce((text, list) => (list ? `[0,${text}]` : `{"in":${text}}`), inner);
          fc.pre(name !== "other");
          expect(native(text)).toBeDefined();
          expect(tryTo(() => parseJson(utf8.encode(text), "test"))).toBeUndefined();
        },
      ),
    );
  });

  test.each([
    '{"__proto__":{}}',
    '{"\\u005f_proto__":1}',
    '{"__proto\\u005F_":null}',
    '{"body":{"model":"m","__proto__":{"model":"n"}}}',
    '[{"__proto__":[]}]',
  ])("fails/a member that copies of an object lose: %s", (text) => {
    expect(native(text)).toBeDefined();
    expect(tryTo(() => parseJson(utf8.encode(text), "test"))).toBeUndefined();
  });

  test("ok/the same name as a value, and names near it", () => {
    const text = '{"proto":"__proto__","__proto":1,"constructor":2,"toString":3}';
    expect(parseJson(utf8.encode(text), "test")).toEqual(JSON.parse(text));
  });

  test("fails/any bytes that are not UTF-8", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const isUtf8 = Buffer.from(Buffer.from(bytes).toString()).equals(Buffer.from(bytes));
        expect(isUtf8 || tryTo(() => parseJson(bytes, "test")) === undefined).toBe(true);
      }),
    );
  });

  function escapeAll(text: string): string {
    return `"${Array.from({ length: text.length }, (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`).join("")}"`;
  }
});

describe("base64url", () => {
  test("ok/there and back", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = encodeBase64url(bytes);
        expect(text).toBe(Buffer.from(bytes).toString("base64url"));
        expect(decodeBase64url(text, "test")).toEqual(new Uint8Array(bytes));
      }),
    );
  });

  test("fails/any second text for the same bytes", () => {
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n\u00c4";
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 12 }), (text) => {
        const decoded = tryTo(() => decodeBase64url(text, "test"));
        expect(decoded ? encodeBase64url(decoded.value) : text).toBe(text);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("ECDSA signatures", () => {
  const halves = fc
    .tuple(fc.nat({ max: 32 }), fc.uint8Array({ minLength: 32, maxLength: 32 }))
    .map(([zeros, bytes]) => bytes.fill(0, 0, zeros));
  const raws = fc.tuple(halves, halves).map(([r, s]) => Buffer.concat([r, s]));

  test("ok/raw to DER and back", () => {
    fc.assert(
      fc.property(raws, (raw) => {
        expect(Buffer.from(derToRaw(rawToDer(raw)))).toEqual(raw);
      }),
    );
  });

  test("fails/any second DER form of the same signature", () => {
    const mutated = fc
      .tuple(
        raws,
        fc.array(fc.tuple(fc.nat({ max: 80 }), fc.nat({ max: 255 })), { maxLength: 3 }),
        fc.integer({ min: -2, max: 2 }),
      )
      .map(([raw, changes, longer]) => {
        const der = [...rawToDer(raw)];
        for (const [at, byte] of changes) der[at % der.length] = byte;
        return new Uint8Array(longer < 0 ? der.slice(0, longer) : [...der, ...Array<number>(longer).fill(0)]);
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 80 })), (der) => {
        const raw = tryTo(() => derToRaw(der));
        expect(raw ? rawToDer(raw.value) : new Uint8Array(der)).toEqual(new Uint8Array(der));
      }),
      { numRuns: 2_000 },
    );
  });
});
