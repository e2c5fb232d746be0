/** DER by hand (X.690): also what is nearly DER, which libraries refuse to write and receivers must refuse to read. */
export type Der = Uint8Array;

function tlv(tag: number, ...content: readonly Der[]): Der {
  const value = Buffer.concat(content);
  return Buffer.concat([Buffer.from([tag]), lengthOf(value.length), value]);
}

function lengthOf(length: number): Der {
  if (length < 0x80) return Buffer.from([length]);
  return length < 0x100 ? Buffer.from([0x81, length]) : Buffer.from([0x82, length >> 8, length & 0xff]);
}

/** BER: the length is not stated, two zero octets end it (X.690 §8.1.3.6). */
export function indefinite(tag: number, ...content: readonly Der[]): Der {
  return Buffer.concat([Buffer.from([tag, 0x80]), ...content, Buffer.from([0, 0])]);
}

export const sequence = (...content: readonly Der[]): Der => tlv(0x30, ...content);
export const set = (...content: readonly Der[]): Der => tlv(0x31, ...content);
export const integer = (...octets: readonly number[]): Der => tlv(0x02, Buffer.from(octets));
/** @param octet 0xff is the one DER form of TRUE (X.690 §11.1) */
export const yes = (octet = 0xff): Der => tlv(0x01, Buffer.from([octet]));
export const nothing = (): Der => tlv(0x05);
export const octetString = (content: Der): Der => tlv(0x04, content);
export const bitString = (content: Der, unusedBits = 0): Der => tlv(0x03, Buffer.from([unusedBits]), content);
export const utf8String = (text: string): Der => tlv(0x0c, Buffer.from(text));
export const time = (text: string): Der => tlv(text.length === 13 ? 0x17 : 0x18, Buffer.from(text));
/** Context-specific and constructed. */
export const tagged = (number: number, ...content: readonly Der[]): Der => tlv(0xa0 + number, ...content);
/** A name of a subjectAltName: `uniformResourceIdentifier [6]` (RFC 5280 §4.2.1.6). */
export const uri = (text: string): Der => tlv(0x86, Buffer.from(text));

export function oid(text: string): Der {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  return tlv(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(arc: number): number[] {
  const octets = [arc & 0x7f];
  for (let left = arc >>> 7; left > 0; left >>>= 7) octets.unshift((left & 0x7f) | 0x80);
  return octets;
}
