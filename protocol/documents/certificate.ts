import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import { CertificationRequest } from "@peculiar/asn1-csr";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  Extension,
  Extensions,
  GeneralName,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
} from "@peculiar/asn1-x509";

import { uuidUri } from "../bootstrap.ts";
import { es256 } from "../suites/es256.ts";
import { derToRaw, rawToDer } from "../token/der.ts";
import type { Signer } from "../token/jws.ts";
import { importPublicKey, thumbprint, thumbprintUri } from "../token/keys.ts";
import { replySuiteOf, toSigningJwk, type SigningJwk, type EncryptionJwk } from "../suites/suites.ts";
import { TokenError } from "../token/token-error.ts";

/** The certificate profile (RFC 5280) and the PKCS#10 request (RFC 2986) of the protocol. Certificates travel as base64 DER, as in `x5c`. */

const commonName = "2.5.4.3";
const extensionRequest = "1.2.840.113549.1.9.14";
const digitalSignature = KeyUsageFlags.digitalSignature;
/** RFC 5280 §4.1.2.5: no expiry. Whether a device is welcome is the registry's to say. */
const noExpiry = new Date("9999-12-31T23:59:59Z");

/**
 * The issuing CA's certificate, signed by the root: part of what the trust document states.
 * @returns base64 DER
 */
export async function issueCaCertificate(input: {
  readonly serviceId: string;
  readonly caKey: SigningJwk;
  readonly root: Signer;
  readonly rootKey: SigningJwk;
  readonly now: Date;
}): Promise<string> {
  const { serviceId, caKey, root, rootKey, now } = input;
  const extensions = [
    extension(id_ce_basicConstraints, new BasicConstraints({ cA: true, pathLenConstraint: 0 }), true),
    extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign), true),
    extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(await keyIdentifier(caKey))),
  ];
  const issuer = nameOf(`${serviceId} root`);
  return issue({ issuer, subject: caName(serviceId), key: caKey, extensions, now }, root, rootKey);
}

/**
 * A device's certificate: nothing in it comes from the device but its key.
 * @returns base64 DER
 */
export async function issueDeviceCertificate(input: {
  readonly serviceId: string;
  readonly deviceId: string;
  readonly signingKey: SigningJwk;
  readonly encryptionKey: EncryptionJwk;
  readonly ca: Signer;
  readonly caKey: SigningJwk;
  readonly now: Date;
}): Promise<string> {
  const { serviceId, deviceId, signingKey, encryptionKey, ca, caKey, now } = input;
  const uris = [
    uuidUri(deviceId),
    thumbprintUri(await thumbprint(signingKey)),
    thumbprintUri(await thumbprint(encryptionKey)),
  ];
  const extensions = [
    extension(id_ce_basicConstraints, new BasicConstraints({ cA: false }), true),
    extension(id_ce_keyUsage, new KeyUsage(digitalSignature), true),
    extension(id_ce_subjectAltName, subjectAlternativeName(uris)),
  ];
  const subject = nameOf(deviceId);
  return issue({ issuer: caName(serviceId), subject, key: signingKey, extensions, now }, ca, caKey);
}

/**
 * Verifies a PKCS#10 request: proof of possession of the signing key, and a requested SAN of exactly these two URIs, the encryption key's
 * thumbprint and the name of who asks (a credential in the bootstrap, a device in a renewal).
 * @param csr base64 DER
 * @returns the signing key
 * @throws TokenError `claims` · `signature` · `key-binding`
 */
export async function openCertificateRequest(
  csr: string,
  expected: { readonly encryptionKey: EncryptionJwk; readonly id: string },
): Promise<SigningJwk> {
  const der = fromBase64(csr);
  const { info, raw, signature } = parseCertificationRequest(der);
  const signingKey = await publicKeyOf(info.subjectPKInfo);
  await verifyDer(signature, raw, signingKey);
  const uris = requestedUris(info.attributes);
  const wanted = [thumbprintUri(await thumbprint(expected.encryptionKey)), uuidUri(expected.id)];
  if (uris.length !== wanted.length || !wanted.every((uri) => uris.includes(uri))) {
    throw new TokenError("key-binding", "csr subject alternative name");
  }
  if ((await thumbprint(signingKey)) === (await thumbprint(expected.encryptionKey))) {
    throw new TokenError("key-binding", "one key for two purposes");
  }
  // Nothing proves possession of the encryption key, but a point off the curve could never be answered.
  await importPublicKey(expected.encryptionKey, replySuiteOf(expected.encryptionKey).alg).catch((cause: unknown) => {
    throw new TokenError("key-binding", "encryption key", { cause });
  });
  return signingKey;
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

export function subjectAlternativeName(uris: readonly string[]): SubjectAlternativeName {
  return new SubjectAlternativeName(uris.map((uri) => new GeneralName({ uniformResourceIdentifier: uri })));
}

async function publicKeyOf(info: SubjectPublicKeyInfo): Promise<SigningJwk> {
  try {
    const spki = AsnConvert.serialize(info);
    const key = await crypto.subtle.importKey("spki", spki, es256.key, true, ["verify"]);
    return toSigningJwk({ ...(await crypto.subtle.exportKey("jwk", key)) });
  } catch (cause) {
    throw new TokenError("claims", "public key", { cause });
  }
}

function parseCertificationRequest(der: Uint8Array<ArrayBuffer>) {
  const request = parseDer(der, CertificationRequest, "csr");
  const raw = request.certificationRequestInfoRaw;
  const { algorithm, parameters } = request.signatureAlgorithm;
  // RFC 5758 §3.2: the parameters are absent.
  if (!raw || algorithm !== es256.objectIdentifier || parameters !== undefined) {
    throw new TokenError("claims", "csr signature algorithm");
  }
  // RFC 2986 §4.1: v1 is 0, and there is no other.
  if (request.certificationRequestInfo.version !== 0) throw new TokenError("claims", "csr version");
  return {
    info: request.certificationRequestInfo,
    raw: new Uint8Array(raw),
    signature: new Uint8Array(request.signature),
  };
}

function requestedUris(attributes: CertificationRequest["certificationRequestInfo"]["attributes"]): string[] {
  const requested = [...attributes].filter(({ type }) => type === extensionRequest);
  const [value, ...more] = requested[0]?.values ?? [];
  if (requested.length !== 1 || !value || more.length > 0) throw new TokenError("claims", "csr extension request");
  const names = parseDer(new Uint8Array(value), Extensions, "csr extension request");
  const [only, ...others] = names;
  if (!only || others.length > 0 || only.extnID !== id_ce_subjectAltName) {
    throw new TokenError("claims", "csr extension request");
  }
  const san = parseDer(new Uint8Array(only.extnValue.buffer), SubjectAlternativeName, "csr subject alternative name");
  return [...san].map((name) => name.uniformResourceIdentifier ?? "");
}

async function issue(
  about: { issuer: Name; subject: Name; key: SigningJwk; extensions: Extension[]; now: Date },
  signer: Signer,
  signerKey: SigningJwk,
): Promise<string> {
  const { issuer, subject, key, extensions, now } = about;
  const authority = new AuthorityKeyIdentifier({ keyIdentifier: await keyIdentifier(signerKey) });
  const signature = new AlgorithmIdentifier({ algorithm: es256.objectIdentifier });
  const notBefore = new Date(Math.floor(now.getTime() / 1000) * 1000);
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: randomSerialNumber(),
    signature,
    issuer,
    validity: new Validity({ notBefore, notAfter: noExpiry }),
    subject,
    subjectPublicKeyInfo: await publicKeyInfo(key),
    extensions: new Extensions([...extensions, extension(id_ce_authorityKeyIdentifier, authority)]),
  });
  const signed = new Uint8Array(AsnConvert.serialize(tbsCertificate));
  const signatureValue = rawToDer(await signer.sign(signed)).buffer;
  const certificate = new Certificate({ tbsCertificate, signatureAlgorithm: signature, signatureValue });
  return toBase64(AsnConvert.serialize(certificate));
}

/** RFC 5280 §4.1.2.2: positive, at most 20 octets; 126 random bits. */
function randomSerialNumber(): ArrayBuffer {
  const serial = crypto.getRandomValues(new Uint8Array(16));
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial.buffer;
}

async function publicKeyInfo(jwk: SigningJwk): Promise<SubjectPublicKeyInfo> {
  const key = await importPublicKey(jwk, es256.alg);
  return AsnConvert.parse(await crypto.subtle.exportKey("spki", key), SubjectPublicKeyInfo);
}

/** RFC 7093 §2, method 1: the leftmost 160 bits of SHA-256 over the public key. */
async function keyIdentifier(jwk: SigningJwk): Promise<KeyIdentifier> {
  const { subjectPublicKey } = await publicKeyInfo(jwk);
  return new KeyIdentifier(new OctetString((await crypto.subtle.digest("SHA-256", subjectPublicKey)).slice(0, 20)));
}

function caName(serviceId: string): Name {
  return nameOf(`${serviceId} issuing CA`);
}

function nameOf(text: string): Name {
  const value = new AttributeValue({ utf8String: text });
  return new Name([new RelativeDistinguishedName([new AttributeTypeAndValue({ type: commonName, value })])]);
}

function extension(extnID: string, value: unknown, critical = false): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}
