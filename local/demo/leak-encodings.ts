export type Encoding = {
  readonly name: "raw" | "hex" | "base64" | "base64url";
  readonly needle: Buffer;
};

/**
 * Every form in which `secret` may stand inside other bytes. In base64 (RFC 4648 §4) its characters depend on where it
 * starts within a group of three bytes; those that carry only its own bits are the same whatever stands around it.
 */
export function encodingsOf(secret: Uint8Array): readonly Encoding[] {
  const hex = Buffer.from(secret).toString("hex");
  return [
    { name: "raw", needle: Buffer.from(secret) },
    { name: "hex", needle: Buffer.from(hex) },
    { name: "hex", needle: Buffer.from(hex.toUpperCase()) },
    ...[0, 1, 2].flatMap((offset) =>
      (["base64", "base64url"] as const).map((name) => ({
        name,
        needle: Buffer.from(stableCharacters(secret, offset, name)),
      })),
    ),
  ];
}

/** The text without line breaks, so that PEM's wrapping hides nothing. */
export function withoutLineBreaks(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.filter((byte) => byte !== 0x0a && byte !== 0x0d));
}

function stableCharacters(secret: Uint8Array, offset: number, encoding: "base64" | "base64url"): string {
  const text = Buffer.concat([Buffer.alloc(offset), secret]).toString(encoding);
  const first = Math.ceil((offset * 8) / 6);
  const end = Math.floor(((offset + secret.length) * 8) / 6);
  return text.slice(first, end);
}
