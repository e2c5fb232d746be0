import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";

import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
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
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_serverAuth,
} from "@peculiar/asn1-x509";

export type EdgeCertificates = {
  /** PEM; what a client must trust. Its private key is gone once this is returned. */
  readonly ca: string;
  /** PEM: the server's certificate. */
  readonly certificate: string;
  /** PEM, PKCS#8. */
  readonly privateKey: string;
};

const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2"; // RFC 5758 §3.2
const COMMON_NAME = "2.5.4.3";
const VALID_DAYS = 30;
const DAY_MS = 86_400_000;
/** A clock that is a little behind must not refuse a certificate made a second ago. */
const BACKDATE_MS = DAY_MS;

const EDGE_NAMES = ["localhost", "*.execute-api.localhost"] as const;
const EDGE_ADDRESSES = ["127.0.0.1", "::1"] as const;

/**
 * A throw-away P-256 CA and one server certificate under it for the loopback names (RFC 9525), with the key identifiers
 * of RFC 5280 §4.2.1: Python 3.13 verifies strictly by default and refuses a certificate without them.
 */
export function issueEdgeCertificates(now: Date = new Date()): EdgeCertificates {
  const authority = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const server = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuer = commonName("Sealpost local mode, throw-away CA");
  const authorityKeyId = keyIdentifier(authority.publicKey);
  const ca = issue({
    now,
    issuer,
    subject: issuer,
    publicKey: authority.publicKey,
    signingKey: authority.privateKey,
    extensions: [
      extension(id_ce_basicConstraints, new BasicConstraints({ cA: true, pathLenConstraint: 0 }), true),
      extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign), true),
      extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(authorityKeyId)),
    ],
  });
  const certificate = issue({
    now,
    issuer,
    subject: commonName("localhost"),
    publicKey: server.publicKey,
    signingKey: authority.privateKey,
    extensions: [
      extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
      extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth])),
      extension(id_ce_subjectAltName, subjectAlternativeName()),
      extension(
        id_ce_authorityKeyIdentifier,
        new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(authorityKeyId) }),
      ),
    ],
  });
  return {
    ca,
    certificate,
    privateKey: server.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

type Issue = {
  readonly now: Date;
  readonly issuer: Name;
  readonly subject: Name;
  readonly publicKey: KeyObject;
  readonly signingKey: KeyObject;
  readonly extensions: Extension[];
};

function issue(request: Issue): string {
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: positiveSerial(),
    signature: signatureAlgorithm,
    issuer: request.issuer,
    subject: request.subject,
    validity: new Validity({
      notBefore: new Date(request.now.getTime() - BACKDATE_MS),
      notAfter: new Date(request.now.getTime() + VALID_DAYS * DAY_MS),
    }),
    subjectPublicKeyInfo: AsnConvert.parse(
      request.publicKey.export({ type: "spki", format: "der" }),
      SubjectPublicKeyInfo,
    ),
    extensions: new Extensions(request.extensions),
  });
  const signature = sign("sha256", Buffer.from(AsnConvert.serialize(tbsCertificate)), {
    key: request.signingKey,
    dsaEncoding: "der",
  });
  const certificate = new Certificate({
    tbsCertificate,
    signatureAlgorithm,
    signatureValue: Uint8Array.from(signature).buffer,
  });
  return pem(Buffer.from(AsnConvert.serialize(certificate)));
}

/** RFC 5280 §4.1.2.2: positive and at most 20 octets; the first octet is kept in 0x40…0x7f so that DER adds none. */
function positiveSerial(): ArrayBuffer {
  const serial = Uint8Array.from(randomBytes(16));
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial.buffer;
}

function subjectAlternativeName(): SubjectAlternativeName {
  return new SubjectAlternativeName([
    ...EDGE_NAMES.map((dNSName) => new GeneralName({ dNSName })),
    ...EDGE_ADDRESSES.map((iPAddress) => new GeneralName({ iPAddress })),
  ]);
}

function commonName(value: string): Name {
  return new Name([
    new RelativeDistinguishedName([
      new AttributeTypeAndValue({
        type: COMMON_NAME,
        value: new AttributeValue({ utf8String: value }),
      }),
    ]),
  ]);
}

/** RFC 7093 §2, method 4: a hash of the whole SubjectPublicKeyInfo, shortened. */
function keyIdentifier(publicKey: KeyObject): ArrayBuffer {
  const spki = publicKey.export({ type: "spki", format: "der" });
  return Uint8Array.from(createHash("sha256").update(spki).digest().subarray(0, 20)).buffer;
}

function extension(extnID: string, value: object, critical = false): Extension {
  return new Extension({
    extnID,
    critical,
    extnValue: new OctetString(AsnConvert.serialize(value)),
  });
}

function pem(der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/gu) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
