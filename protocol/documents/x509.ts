import { AsnConvert } from "@peculiar/asn1-schema";
import { Certificate, GeneralName, SubjectAlternativeName, type SubjectPublicKeyInfo } from "@peculiar/asn1-x509";

import { es256 } from "../suites/es256.ts";
import { type SigningJwk, toSigningJwk } from "../suites/suites.ts";
import { derToRaw } from "../token/der.ts";
import { importPublicKey } from "../token/keys.ts";
import { TokenError } from "../token/token-error.ts";

/** What certificates and PKCS#10 requests share: strict DER, its base64 as in `x5c` (RFC 7515 §4.1.6), keys and signatures. */

/**
 * Reads one structure that is DER and nothing else: the parser takes BER too and passes over octets behind the structure, so what it understood
 * must serialise to the octets that came (X.690 §10).
 * @throws TokenError `claims`
 */
export function parseDer<T>(der: Uint8Array<ArrayBuffer>, target: new () => T, what: string): T {
  let parsed: T;
  let again: Uint8Array;
  try {
    parsed = AsnConvert.parse(der, target);
    again = new Uint8Array(AsnConvert.serialize(parsed));
  } catch (cause) {
    throw new TokenError("claims", what, { cause });
  }
  const isSame = again.length === der.length && again.every((octet, index) => octet === der[index]);
  if (!isSame) throw new TokenError("claims", `${what}: not DER`);
  return parsed;
}

export function toBase64(bytes: ArrayBuffer | Uint8Array): string {
  return btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(""));
}

/** @throws TokenError `claims` */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  try {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    if (toBase64(bytes) === text) return bytes;
  } catch (cause) {
    throw new TokenError("claims", "base64", { cause });
  }
  throw new TokenError("claims", "base64");
}

/**
 * Verifies an ECDSA P-256 signature in DER over raw bytes, as in certificates and PKCS#10.
 * @throws TokenError `signature`
 */
export async function verifyDer(signature: Uint8Array, data: Uint8Array<ArrayBuffer>, jwk: SigningJwk): Promise<void> {
  const key = await importPublicKey(jwk, es256.alg);
  const valid = await crypto.subtle.verify(es256.sign, key, derToRaw(signature), data);
  if (!valid) throw new TokenError("signature", "DER");
}

/**
 * The public key of a certificate.
 * @param certificate base64 DER
 * @throws TokenError `claims`
 */
export async function certificateKey(certificate: string): Promise<SigningJwk> {
  const parsed = parseDer(fromBase64(certificate), Certificate, "certificate");
  return publicKeyOf(parsed.tbsCertificate.subjectPublicKeyInfo);
}

/** @throws TokenError `claims` for a key of no suite */
export async function publicKeyOf(info: SubjectPublicKeyInfo): Promise<SigningJwk> {
  try {
    const spki = AsnConvert.serialize(info);
    const key = await crypto.subtle.importKey("spki", spki, es256.key, true, ["verify"]);
    return toSigningJwk({ ...(await crypto.subtle.exportKey("jwk", key)) });
  } catch (cause) {
    throw new TokenError("claims", "public key", { cause });
  }
}

export function subjectAlternativeName(uris: readonly string[]): SubjectAlternativeName {
  return new SubjectAlternativeName(uris.map((uri) => new GeneralName({ uniformResourceIdentifier: uri })));
}
