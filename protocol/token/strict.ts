import { base64url } from "jose";
import { visit } from "jsonc-parser";

import { limits } from "../limits.ts";
import { TokenError } from "./token-error.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const base64urlText = /^[A-Za-z0-9_-]*$/;
/** Allowed last characters where the final group holds 2 or 3: unused bits must be zero (RFC 4648 §3.5). */
const lastOfTwo = /[AQgw]$/;
const lastOfThree = /[AEIMQUYcgkosw048]$/;

/**
 * Decodes unpadded, canonical base64url (RFC 7515 §2, RFC 4648 §3.5): exactly one text stands for each byte string.
 * @throws TokenError `base64url`
 */
export function decodeBase64url(text: string, what: string): Uint8Array<ArrayBuffer> {
  const rest = text.length % 4;
  const canonical =
    base64urlText.test(text) &&
    rest !== 1 &&
    (rest !== 2 || lastOfTwo.test(text)) &&
    (rest !== 3 || lastOfThree.test(text));
  if (!canonical) throw new TokenError("base64url", what);
  return new Uint8Array(base64url.decode(text));
}

export function encodeBase64url(bytes: Uint8Array | string): string {
  return base64url.encode(bytes);
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
  checkMembers(text, what);
  return value;
}

function checkMembers(text: string, what: string): void {
  const open: Set<string>[] = [];
  const enter = () => {
    if (open.length === limits.jsonDepth) throw new TokenError("json", `${what}: nested too deeply`);
    open.push(new Set());
  };
  const leave = () => {
    open.pop();
  };
  visit(text, {
    onObjectBegin: enter,
    onArrayBegin: enter,
    onObjectEnd: leave,
    onArrayEnd: leave,
    onObjectProperty: (name) => {
      const members = open.at(-1);
      // Libraries that copy objects drop or obey it, so what is checked would not be what was sent.
      if (name === "__proto__") throw new TokenError("json", `${what}: member __proto__`);
      if (members?.has(name)) throw new TokenError("json", `${what}: duplicate member`);
      if (!name.isWellFormed()) throw new TokenError("json", `${what}: unpaired surrogate`);
      members?.add(name);
    },
    onLiteralValue: (value: unknown) => {
      if (typeof value === "string" && !value.isWellFormed()) {
        throw new TokenError("json", `${what}: unpaired surrogate`);
      }
      // 1e400 is JSON, but no value of ours, and has no canonical form (RFC 8785 §3.2.2.3).
      if (value === Infinity || value === -Infinity) throw new TokenError("json", `${what}: number out of range`);
    },
  });
}

const plain = new TextDecoder("utf-8", { ignoreBOM: true });

/** The text of a decrypted compact serialisation, with every byte that does not belong there, a BOM too, for `splitCompact` to refuse. */
export function compactText(bytes: Uint8Array | ArrayBuffer): string {
  return plain.decode(bytes);
}

/**
 * Splits a compact serialisation (RFC 7515 §7.1, RFC 7516 §7.1) into its decoded parts.
 * @throws TokenError `too-large` · `compact-form` · `base64url`
 */
export function splitCompact(token: string, parts: 3 | 5, what: string): Uint8Array<ArrayBuffer>[] {
  if (token.length > limits.tokenBytes) throw new TokenError("too-large", what);
  const texts = token.split(".", parts + 1);
  if (texts.length !== parts) throw new TokenError("compact-form", what);
  return texts.map((text) => decodeBase64url(text, what));
}
