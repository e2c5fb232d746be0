import { base64url } from "jose";

/**
 * Bytes and texts of tokens. Where the platform has Node's Buffer (Node, Deno, Bun), that does it in place; jose's way is a character at a time, which on a
 * large token costs more than its cryptography. Both accept and refuse the same.
 */
export type Codec = {
  /**
   * @param text also as its ASCII bytes
   * @returns null for what is not of the alphabet of RFC 4648 §5, padding included. Unused bits and lengths are the caller's matter.
   */
  decodeBase64url(text: string | Uint8Array): Bytes | null;
  encodeBase64url(bytes: Uint8Array | string): string;
  /** The same as the ASCII bytes of the text. */
  encodeBase64urlBytes(bytes: Uint8Array): Bytes;
  /** As Uint8Array.indexOf. */
  indexOf(bytes: Uint8Array, byte: number, from?: number): number;
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
  decodeBase64url(text) {
    const read = typeof text === "string" ? text : decoder.decode(text);
    return base64urlText.test(read) ? new Uint8Array(base64url.decode(read)) : null;
  },
  encodeBase64url: (bytes) => base64url.encode(bytes),
  encodeBase64urlBytes: (bytes) => encoder.encode(base64url.encode(bytes)),
  indexOf: (bytes, byte, from) => bytes.indexOf(byte, from),
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
      if (typeof text === "string") {
        const isOneByte = Buffer.byteLength(text) === text.length;
        if (!isOneByte || text.includes("+") || text.includes("/")) return null;
        const bytes = Buffer.from(text, "base64url");
        return bytes.length === decodedLength(text) ? toBytes(bytes) : null;
      }
      const source = bufferOf(text);
      const bytes = Buffer.allocUnsafeSlow(decodedLength(text));
      let length = 0;
      for (let from = 0; from < source.length; from += encodedPiece) {
        const piece = source.toString("latin1", from, from + encodedPiece);
        if (piece.includes("+") || piece.includes("/")) return null;
        length += bytes.write(piece, length, "base64url");
      }
      return length === bytes.length ? toBytes(bytes) : null;
    },
    encodeBase64url(bytes) {
      const source = typeof bytes === "string" ? Buffer.from(bytes) : bufferOf(bytes);
      let text = "";
      for (let from = 0; from < source.length; from += decodedPiece) {
        text += source.toString("base64url", from, from + decodedPiece);
      }
      return text;
    },
    encodeBase64urlBytes(bytes) {
      const source = bufferOf(bytes);
      const encoded = Buffer.allocUnsafeSlow(Math.ceil((source.length * 4) / 3));
      let length = 0;
      for (let from = 0; from < source.length; from += decodedPiece) {
        length += encoded.write(source.toString("base64url", from, from + decodedPiece), length, "latin1");
      }
      return toBytes(encoded);
    },
    indexOf: (bytes, byte, from) => bufferOf(bytes).indexOf(byte, from),
    decodeAscii: (bytes) => bufferOf(bytes).toString("latin1"),
    encodeAscii: (text) => toBytes(Buffer.from(text, "latin1")),
  };
}

function decodedLength({ length }: string | Uint8Array): number {
  return Math.floor((length * 3) / 4);
}

function toBytes(buffer: Buffer<ArrayBuffer>): Bytes {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

/**
 * Large tokens are worked on by the piece: engines put a text of more than about 128 KiB into memory of its own, which costs more than all else that is
 * done to it. Whole groups, so that pieces fit together.
 */
const encodedPiece = 16_384;
const decodedPiece = (encodedPiece / 4) * 3;

/** The best that the platform has. */
export const codec: Codec = nodeCodec() ?? webCodec;
