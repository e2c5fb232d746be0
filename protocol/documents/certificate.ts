import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  Extension,
  Extensions,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
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
import { rawToDer } from "../token/der.ts";
import type { Signer } from "../token/jws.ts";
import { importPublicKey, thumbprint, thumbprintUri } from "../token/keys.ts";
import type { EncryptionJwk, SigningJwk } from "../suites/suites.ts";
import { subjectAlternativeName, toBase64 } from "./x509.ts";

/** The certificate profile (RFC 5280) of the protocol, as it is issued. */

const commonName = "2.5.4.3";
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
export function randomSerialNumber(): ArrayBuffer {
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

export function nameOf(text: string): Name {
  const value = new AttributeValue({ utf8String: text });
  return new Name([new RelativeDistinguishedName([new AttributeTypeAndValue({ type: commonName, value })])]);
}

export function extension(extnID: string, value: unknown, critical = false): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}
