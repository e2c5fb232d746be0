import { TokenError } from "./token-error.ts";

/**
 * ECDSA signatures are DER (RFC 3279 §2.2.3) in X.509 and from KMS, and r‖s of 64 bytes in JOSE (RFC 7518 §3.4). P-256 only.
 * @throws TokenError `signature` if the bytes are not the one DER form of two integers of at most 32 bytes
 */
export function derToRaw(der: Uint8Array): Uint8Array<ArrayBuffer> {
  const raw = new Uint8Array(64);
  if (der[0] !== 0x30 || der[1] !== der.length - 2) throw new TokenError("signature", "DER sequence");
  let at = 2;
  for (const end of [32, 64]) {
    const length = der[at + 1] ?? 0;
    const integer = der.subarray(at + 2, at + 2 + length);
    const [first = 0x80, second = 0] = integer;
    const minimal = first < 0x80 && (first !== 0 || length === 1 || second >= 0x80);
    if (der[at] !== 0x02 || integer.length !== length || !minimal) throw new TokenError("signature", "DER integer");
    const digits = integer.subarray(first === 0 ? 1 : 0);
    if (digits.length > 32) throw new TokenError("signature", "DER integer");
    raw.set(digits, end - digits.length);
    at += 2 + length;
  }
  if (at !== der.length) throw new TokenError("signature", "DER length");
  return raw;
}

/** The inverse of `derToRaw`, for any 64 bytes. */
export function rawToDer(raw: Uint8Array): Uint8Array<ArrayBuffer> {
  const halves = [raw.subarray(0, 32), raw.subarray(32, 64)].map(minimalInteger);
  const der = new Uint8Array(2 + halves.reduce((sum, { length }) => sum + 2 + length, 0));
  der.set([0x30, der.length - 2]);
  let at = 2;
  for (const { digits, length } of halves) {
    der.set([0x02, length], at);
    at += 2 + length;
    der.set(digits, at - digits.length);
  }
  return der;
}

/** Without leading zeros, but for one that keeps the number positive. */
function minimalInteger(half: Uint8Array): { readonly digits: Uint8Array; readonly length: number } {
  let start = 0;
  while (start < half.length - 1 && half[start] === 0) start += 1;
  const digits = half.subarray(start);
  return { digits, length: digits.length + ((digits[0] ?? 0) >= 0x80 ? 1 : 0) };
}
