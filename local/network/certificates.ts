import { createHash, generateKeyPairSync, sign, type KeyObject } from "node:crypto";

import { AsnConvert } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
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
  id_kp_clientAuth,
  id_kp_serverAuth,
} from "@peculiar/asn1-x509";

import { extension, nameOf, randomSerialNumber } from "@sealpost/protocol/documents/certificate.ts";
import { es256 } from "@sealpost/protocol/suites/es256.ts";

export type EdgeCertificates = {
  /** PEM; what a client must trust. Its private key is gone once this is returned. */
  readonly ca: string;
  /** PEM: the server's certificate. */
  readonly certificate: string;
  /** PEM, PKCS#8. */
  readonly privateKey: string;
};

const validDays = 30;
const dayMilliseconds = 86_400_000;
/** A clock that is a little behind must not refuse a certificate made a second ago. */
const backdateMilliseconds = dayMilliseconds;

const edgeNames = ["localhost", "*.execute-api.localhost"] as const;
const edgeAddresses = ["127.0.0.1", "::1"] as const;

/**
 * A throw-away P-256 CA and one server certificate under it for the loopback names (RFC 9525), with the key identifiers
 * of RFC 5280 §4.2.1: Python 3.13 verifies strictly by default and refuses a certificate without them.
 * @param end whose certificate it is: the end of a mutual TLS connection that it stands for
 */
export function issueEdgeCertificates(now: Date = new Date(), end: "server" | "client" = "server"): EdgeCertificates {
  const authority = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const server = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuer = nameOf("Sealpost local mode, throw-away CA");
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
    subject: nameOf("localhost"),
    publicKey: server.publicKey,
    signingKey: authority.privateKey,
    extensions: [
      extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
      extension(id_ce_extKeyUsage, new ExtendedKeyUsage([end === "server" ? id_kp_serverAuth : id_kp_clientAuth])),
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
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: es256.objectIdentifier });
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: randomSerialNumber(),
    signature: signatureAlgorithm,
    issuer: request.issuer,
    subject: request.subject,
    validity: new Validity({
      notBefore: new Date(request.now.getTime() - backdateMilliseconds),
      notAfter: new Date(request.now.getTime() + validDays * dayMilliseconds),
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

function subjectAlternativeName(): SubjectAlternativeName {
  return new SubjectAlternativeName([
    ...edgeNames.map((dNSName) => new GeneralName({ dNSName })),
    ...edgeAddresses.map((iPAddress) => new GeneralName({ iPAddress })),
  ]);
}

/** RFC 7093 §2, method 4: a hash of the whole SubjectPublicKeyInfo, shortened. */
function keyIdentifier(publicKey: KeyObject): ArrayBuffer {
  const spki = publicKey.export({ type: "spki", format: "der" });
  return Uint8Array.from(createHash("sha256").update(spki).digest().subarray(0, 20)).buffer;
}

function pem(der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/gu) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
