import { codec } from "./codec.ts";
import { limits } from "../limits.ts";
import { TokenError } from "./token-error.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Last characters of a final group of 2 or 3: unused bits must be zero (RFC 4648 §3.5). */
const lastOfTwo = "AQgw";
const lastOfThree = "AEIMQUYcgkosw048";

/**
 * Decodes unpadded, canonical base64url (RFC 7515 §2, RFC 4648 §3.5): exactly one text stands for each byte string.
 * @param text also as its ASCII bytes
 * @throws TokenError `base64url`
 */
export function decodeBase64url(text: Compact, what: string): Uint8Array<ArrayBuffer> {
  const rest = text.length % 4;
  const end = text.at(-1) ?? "";
  const last = typeof end === "string" ? end : String.fromCharCode(end);
  const canonical =
    rest === 0 || (rest === 2 && lastOfTwo.includes(last)) || (rest === 3 && lastOfThree.includes(last));
  const bytes = canonical ? codec.decodeBase64url(text) : null;
  if (!bytes) throw new TokenError("base64url", what);
  return bytes;
}

export function encodeBase64url(bytes: Uint8Array | string): string {
  return codec.encodeBase64url(bytes);
}

/**
 * Parses JSON as RFC 8259 allows and no more: UTF-8 without BOM, no duplicate members (which RFC 7515 §4 and RFC 7519 §4
 * forbid and JSON.parse hides), no member `__proto__`, no unpaired surrogates, no number beyond a double, bounded depth. White space around the value is padding.
 * @throws TokenError `json`
 */
export function parseJson(bytes: Uint8Array, what: string): unknown {
  let text: string;
  let value: unknown;
  try {
    text = utf8.decode(bytes);
    value = JSON.parse(text);
  } catch (cause) {
    throw new TokenError("json", what, { cause });
  }
  // JSON.parse keeps the last of several members of one name, so whatever was written twice makes the value poorer than its text.
  if (strictMembers(value, 0, what) !== membersWritten(text)) throw new TokenError("json", `${what}: duplicate member`);
  return value;
}

/**
 * Checks what JSON.parse lets pass.
 * @returns how many members the value has, all its objects together
 */
function strictMembers(value: unknown, depth: number, what: string): number {
  if (typeof value === "string" && !value.isWellFormed()) throw new TokenError("json", `${what}: unpaired surrogate`);
  // 1e400 is JSON, but no value of ours, and has no canonical form (RFC 8785 §3.2.2.3).
  if (value === Infinity || value === -Infinity) throw new TokenError("json", `${what}: number out of range`);
  if (typeof value !== "object" || value === null) return 0;
  if (depth === limits.jsonDepth) throw new TokenError("json", `${what}: nested too deeply`);
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + strictMembers(item, depth + 1, what), 0);
  let members = 0;
  for (const [name, member] of Object.entries(value)) {
    // Libraries that copy objects drop or obey it, so what is checked would not be what was sent.
    if (name === "__proto__") throw new TokenError("json", `${what}: member __proto__`);
    if (!name.isWellFormed()) throw new TokenError("json", `${what}: unpaired surrogate`);
    members += 1 + strictMembers(member, depth + 1, what);
  }
  return members;
}

const quote = 0x22;
const colon = 0x3a;
const backslash = 0x5c;

/** How many members are written in a text that JSON.parse takes: each has one colon outside of strings, and nothing else has. */
function membersWritten(text: string): number {
  let members = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === colon) members += 1;
    else if (code === quote) at = closingQuote(text, at + 1);
  }
  return members;
}

/** The quote that ends a string: the first behind an even number of backslashes. */
function closingQuote(text: string, from: number): number {
  for (let end = text.indexOf('"', from); ; end = text.indexOf('"', end + 1)) {
    let before = end;
    while (text.charCodeAt(before - 1) === backslash) before -= 1;
    if ((end - before) % 2 === 0) return end;
  }
}

/** A compact serialisation, or a part of one: its text, or that text's ASCII bytes, with every byte that does not belong there for `splitCompact` to refuse. */
export type Compact = string | Uint8Array<ArrayBuffer>;

/**
 * Splits a compact serialisation (RFC 7515 §7.1, RFC 7516 §7.1) into its decoded parts.
 * @throws TokenError `too-large` · `compact-form` · `base64url`
 */
export function splitCompact(token: Compact, parts: 3 | 5, what: string): Uint8Array<ArrayBuffer>[] {
  if (token.length > limits.tokenBytes) throw new TokenError("too-large", what);
  const texts = typeof token === "string" ? token.split(".", parts + 1) : splitBytes(token, parts + 1);
  if (texts.length !== parts) throw new TokenError("compact-form", what);
  return texts.map((text) => decodeBase64url(text, what));
}

const period = 0x2e;

/** As `split(".", most)` does a text. */
function splitBytes(bytes: Uint8Array<ArrayBuffer>, most: number): Uint8Array<ArrayBuffer>[] {
  const parts = [];
  for (let from = 0; parts.length < most;) {
    const end = codec.indexOf(bytes, period, from);
    parts.push(bytes.subarray(from, end < 0 ? undefined : end));
    if (end < 0) break;
    from = end + 1;
  }
  return parts;
}
