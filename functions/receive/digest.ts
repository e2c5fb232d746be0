import { createHash } from "node:crypto";

import { codec } from "@sealpost/protocol/token/codec.ts";

import { digestBytes } from "../registry/window-codec.ts";

/**
 * What identifies a message besides its seq: the leading bits of SHA-256 over the canonical JSON (RFC 8785) of `[jti, operation, body]`, hex.
 * Times, keys and padding may change when a message is sealed again; these may not.
 * @param claims as `parseJson` read them from `payload`, valid or not
 */
export function messageDigest(claims: object, payload: Uint8Array): string {
  const { jti = null, operation = null, body = null } = claims as { readonly [claim: string]: unknown };
  const sha256 = createHash("sha256");
  let text = "";
  const write = (piece: string) => {
    if (text.length + piece.length > mostAtOnce) {
      sha256.update(text);
      text = "";
    }
    text += piece;
  };
  // In a text without a backslash nothing is escaped, and every string of it is canonical as it stands.
  writeCanonical([jti, operation, body], codec.indexOf(payload, backslash) >= 0 ? escaped : asItStands, write);
  return sha256
    .update(text)
    .digest("hex")
    .slice(0, digestBytes * 2);
}

const backslash = 0x5c;
/** Large texts are hashed by the piece: to put them together costs more than to hash them. */
const mostAtOnce = 16_384;

type Write = (piece: string) => void;

/**
 * RFC 8785 for what `parseJson` made: JSON.stringify writes numbers and strings as it asks.
 * @param writeString writes a string with its quotation marks
 */
export function writeCanonical(value: unknown, writeString: (text: string, write: Write) => void, write: Write): void {
  if (typeof value === "string") {
    writeString(value, write);
  } else if (Array.isArray(value)) {
    write("[");
    for (const [n, item] of value.entries()) {
      if (n > 0) write(",");
      writeCanonical(item, writeString, write);
    }
    write("]");
  } else if (typeof value === "object" && value !== null) {
    const members = value as { readonly [name: string]: unknown };
    write("{");
    // By UTF-16 code units (§3.2.3), as `sort` compares.
    for (const [n, name] of Object.keys(members).sort().entries()) {
      if (n > 0) write(",");
      writeString(name, write);
      write(":");
      writeCanonical(members[name], writeString, write);
    }
    write("}");
  } else {
    write(JSON.stringify(value));
  }
}

export function escaped(text: string, write: Write): void {
  write(JSON.stringify(text));
}

export function asItStands(text: string, write: Write): void {
  write('"');
  write(text);
  write('"');
}
