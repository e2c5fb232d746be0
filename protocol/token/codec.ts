import { base64url } from "jose";

/**
 * Bytes and texts of tokens. Where the platform has Node's Buffer (Node, Deno, Bun), that does it in place; jose's way is a character at a time, which on a
 * large token costs more than its cryptography. Both accept and refuse the same.
 */
export type Codec = {
  /** @returns null for what is not of the alphabet of RFC 4648 §5, padding included. Unused bits and lengths are the caller's matter. */
  decodeBase64url(text: string): Bytes | null;
  encodeBase64url(bytes: Uint8Array | string): string;
  /** Of bytes that should be ASCII; what is not makes some character that no token has. */
  decodeAscii(bytes: Uint8Array): string;
  /** Of a text that is ASCII. */
  encodeAscii(text: string): Bytes;
};

type Bytes = Uint8Array<ArrayBuffer>;

const base64urlText = /^[A-Za-z0-9_-]*$/;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

export const webCodec: Codec = {
  decodeBase64url: (text) => (base64urlText.test(text) ? new Uint8Array(base64url.decode(text)) : null),
  encodeBase64url: (bytes) => base64url.encode(bytes),
  decodeAscii: (bytes) => decoder.decode(bytes),
  encodeAscii: (text) => encoder.encode(text),
};

/** @returns undefined where there is no node:buffer */
export function nodeCodec(): Codec | undefined {
  const { process }: { readonly process?: Partial<NodeJS.Process> } = globalThis;
  const node = process?.getBuiltinModule?.("node:buffer");
  if (!node) return undefined;
  const { Buffer } = node;
  const bufferOf = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    decodeBase64url(text) {
      // Buffer takes both alphabets and passes over every other character, which makes the result shorter; it looks at one byte of each character alone.
      const isOneByte = Buffer.byteLength(text) === text.length;
      if (!isOneByte || text.includes("+") || text.includes("/")) return null;
      const bytes = Buffer.from(text, "base64url");
      return bytes.length === Math.floor((text.length * 3) / 4)
        ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
        : null;
    },
    encodeBase64url: (bytes) =>
      typeof bytes === "string" ? Buffer.from(bytes).toString("base64url") : bufferOf(bytes).toString("base64url"),
    decodeAscii: (bytes) => bufferOf(bytes).toString("latin1"),
    encodeAscii(text) {
      const bytes = Buffer.from(text, "latin1");
      return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    },
  };
}

/** The best that the platform has. */
export const codec: Codec = nodeCodec() ?? webCodec;
