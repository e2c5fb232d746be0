import { derToRaw, rawToDer } from "@sealpost/protocol/token/der.ts";
import { limits } from "@sealpost/protocol/limits.ts";

import type { VectorFile } from "./vector-file.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const utf8 = (text: string) => hex(Buffer.from(text));
const nested = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

/** `bytes`: UTF-8 or what pretends to be, hex. */
export function strictJson(): VectorFile<{ bytes: string }> {
  const good: [string, string][] = [
    ["object", '{"a":1,"b":[true,null,"x"]}'],
    ["white space around it is padding", ' \t\r\n{"a":1}   '],
    ["the same name in different objects", '{"a":{"a":1},"b":{"a":1}}'],
    ["names that differ in case", '{"a":1,"A":2}'],
    ["names that differ in normalization", '{"\u00e9":1,"e\u0301":2}'],
    ["a surrogate pair, escaped", '{"a":"\\ud83d\\ude00"}'],
    ["depth at the limit", nested(limits.jsonDepth)],
    ["the largest double", "[1.7976931348623157e308]"],
    ["U+2028, which JavaScript once refused", '["\u2028"]'],
  ];
  const bad: [string, string, string][] = [
    ["duplicate member", '{"a":1,"a":1}', "the member twice"],
    ["duplicate member, nested in an object", '{"b":{"a":1,"a":2}}', "the member twice"],
    ["duplicate member, nested in an array", '[[{"a":1,"b":2,"a":3}]]', "the member twice"],
    ["duplicate member, one escaped", '{"a":1,"\\u0061":2}', "the member twice, once as \\u0061"],
    ["duplicate empty name", '{"":1,"":2}', "the member twice"],
    ["BOM", '\ufeff{"a":1}', "U+FEFF before the value"],
    ["lone high surrogate, escaped", '{"a":"\\ud83d"}', "half of the pair"],
    ["lone low surrogate, escaped", '{"a":"\\ude00"}', "half of the pair"],
    ["surrogates in the wrong order", '{"a":"\\ude00\\ud83d"}', "the halves exchanged"],
    ["lone surrogate in a name", '{"\\ud83d":1}', "half of the pair"],
    ["depth beyond the limit", nested(limits.jsonDepth + 1), "one level more"],
    ["very deep", nested(2_000), "2,000 levels"],
    ["number beyond a double", "[1e400]", "the exponent"],
    ["negative number beyond a double", "[-1e400]", "the exponent"],
    ["two values", "{} {}", "another value behind it"],
    ["nothing", "", "no value"],
    ["white space alone", "   ", "no value"],
    ["trailing comma", '{"a":1,}', "a comma"],
    ["comment", '{"a":1/* */}', "a comment"],
    ["single quotes", "{'a':1}", "the quotes"],
    ["NaN", "[NaN]", "no number"],
    ["leading zero", "[01]", "the zero"],
    ["plus sign", "[+1]", "the sign"],
    ["control character in a string", '["\u0000"]', "a raw NUL"],
    ["no-break space around it", "\u00a0[1]", "white space that is not JSON's"],
  ];
  const raw: [string, string, string][] = [
    ["overlong UTF-8", "5b22c0af225d", "'/' in two bytes"],
    ["a surrogate in UTF-8", "5b22eda0bd225d", "U+D83D in three bytes"],
    ["cut UTF-8", "5b22e282225d", "a character without its last byte"],
    ["UTF-16", hex(Buffer.from('{"a":1}', "utf16le")), "the encoding"],
    ["a byte that UTF-8 never has", "5b22ff225d", "0xff"],
  ];
  return {
    valid: good.map(([name, text]) => ({ name, bytes: utf8(text) })),
    invalid: [
      ...bad.map(([name, text, change]) => ({ name, change, error: "json", bytes: utf8(text) })),
      ...raw.map(([name, bytes, change]) => ({ name, change, error: "json", bytes })),
    ],
  };
}

/** `text`, and the bytes that it stands for, hex. */
export function base64url(): VectorFile<{ text: string; bytes?: string }> {
  const good: [string, string][] = [
    ["", ""],
    ["AA", "00"],
    ["_w", "ff"],
    ["-_8", "fbff"],
    ["AAAA", "000000"],
    ["Zm9vYmFy", "666f6f626172"],
    ["Zm9vYg", "666f6f62"],
    ["Zm9vYmE", "666f6f6261"],
  ];
  const bad: [string, string, string][] = [
    ["padding", "AA==", "= behind it"],
    ["half of a padding", "AA=", "= behind it"],
    ["unused bits of one byte", "AB", "the last character is not canonical"],
    ["all unused bits of one byte", "AP", "the last character is not canonical"],
    ["unused bits of two bytes", "-_9", "the last character is not canonical"],
    ["one character too many", "AAAAA", "a length that no bytes have"],
    ["plus of plain base64", "+_8", "+ for -"],
    ["slash of plain base64", "-/8", "/ for _"],
    ["space", "AA AA", "a space"],
    ["line break", "AAAA\n", "a line break"],
    ["a letter that is not ASCII", "AA\u00c4A", "a letter"],
    ["a full-width letter", "\uff21AAA", "a letter"],
    ["NUL", "AAA\u0000", "a NUL"],
  ];
  return {
    valid: good.map(([text, bytes]) => ({ name: text || "empty", text, bytes })),
    invalid: bad.map(([name, text, change]) => ({ name, change, error: "base64url", text })),
  };
}

/** `raw`: r ‖ s; `der`: the one DER form; both hex. */
export function derSignatures(): VectorFile<{ der: string; raw?: string }> {
  const half = (text: string) => text.padStart(64, "0");
  const pairs: [string, string, string][] = [
    ["both full", "7f".repeat(32), "01".repeat(32)],
    ["both with a sign octet", "80".repeat(32), "ff".repeat(32)],
    ["short", half("01"), half("7f")],
    ["short, with a sign octet", half("80"), half("ff00")],
    ["zero", half(""), half("")],
    ["leading zero octets", half("11".repeat(30)), half("81".repeat(31))],
  ];
  const valid = pairs.map(([name, r, s]) => {
    const raw = Buffer.from(r + s, "hex");
    const der = rawToDer(raw);
    if (hex(derToRaw(der)) !== hex(raw)) throw new Error(name);
    return { name, raw: hex(raw), der: hex(der) };
  });
  const bad: [string, string, string][] = [
    ["empty", "", "no bytes"],
    ["a sign octet too many", "30080203000001020101", "00 00 01 for 01"],
    ["a sign octet missing", "3006020180020101", "a negative integer"],
    ["no content", "30050200020101", "an integer of no octets"],
    ["an integer too long", `3026022101${"11".repeat(32)}020101`, "33 octets that are no sign"],
    ["bytes behind it", "300602010102010100", "one byte more"],
    ["bytes behind the integers", "300702010102010100", "one byte more, inside the sequence"],
    ["length too large", "3007020101020101", "the length of the sequence"],
    ["length too small", "3005020101020101", "the length of the sequence"],
    ["long form of a length", "308106020101020101", "81 06 for 06"],
    ["indefinite length", "30800201010201010000", "BER"],
    ["another tag", "3106020101020101", "a set"],
    ["another inner tag", "3006030101020101", "a bit string"],
    ["one integer", "3003020101", "s is missing"],
    ["three integers", "3009020101020101020101", "one integer more"],
    ["an integer that is cut", "3006020101020201", "the last octet"],
  ];
  return { valid, invalid: bad.map(([name, der, change]) => ({ name, change, error: "signature", der })) };
}
