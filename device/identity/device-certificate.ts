import { AsnConvert } from "@peculiar/asn1-schema";
import {
  BasicConstraints,
  Certificate,
  KeyUsage,
  KeyUsageFlags,
  SubjectAlternativeName,
  Version,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_keyUsage,
  id_ce_subjectAltName,
} from "@peculiar/asn1-x509";
import { uuidUri } from "@sealpost/protocol/bootstrap.ts";
import { certificateKey, fromBase64, parseDer, verifyDer } from "@sealpost/protocol/documents/x509.ts";
import { es256 } from "@sealpost/protocol/suites/es256.ts";
import { thumbprint, thumbprintUri } from "@sealpost/protocol/token/keys.ts";
import { TokenError } from "@sealpost/protocol/token/token-error.ts";

import type { Thumbprints } from "../keys/device-keys.ts";

/**
 * Verifies that a certificate is this device's: signed by the issuing CA of the trust document, for the device's own signing key, naming the
 * device and both its keys, and no CA (RFC 5280). Dates are not judged: the profile has no expiry and the device no clock.
 * @param certificate base64 DER
 * @param issuingCa base64 DER, as in the trust document
 * @throws TokenError `claims` · `signature` · `issuer` · `key-binding`
 */
export async function verifyDeviceCertificate(
  certificate: string,
  issuingCa: string,
  own: Thumbprints & { readonly deviceId: string },
): Promise<void> {
  const { tbsCertificate: tbs, tbsCertificateRaw, signatureAlgorithm, signatureValue } = read(certificate);
  if (!tbsCertificateRaw || tbs.version !== Version.v3) throw new TokenError("claims", "certificate version");
  if (signatureAlgorithm.algorithm !== es256.objectIdentifier || tbs.signature.algorithm !== es256.objectIdentifier) {
    throw new TokenError("claims", "certificate signature algorithm");
  }
  await verifyDer(new Uint8Array(signatureValue), new Uint8Array(tbsCertificateRaw), await certificateKey(issuingCa));
  if (!sameName(tbs.issuer, read(issuingCa).tbsCertificate.subject)) {
    throw new TokenError("issuer", "certificate issuer");
  }
  checkProfile(tbs.extensions ?? []);
  if ((await thumbprint(await certificateKey(certificate))) !== own.signingKey) {
    throw new TokenError("key-binding", "certificate public key");
  }
  const expected = [uuidUri(own.deviceId), thumbprintUri(own.signingKey), thumbprintUri(own.encryptionKey)];
  const names = new Set(subjectUris(tbs.extensions ?? []));
  if (names.size !== expected.length || !expected.every((uri) => names.has(uri))) {
    throw new TokenError("key-binding", "certificate subject alternative name");
  }
}

/**
 * When a certificate that was verified before was made.
 * @param certificate base64 DER
 * @returns Unix seconds
 */
export function certifiedAt(certificate: string): number {
  return Math.floor(read(certificate).tbsCertificate.validity.notBefore.getTime().getTime() / 1000);
}

function read(certificate: string): Certificate {
  return parseDer(fromBase64(certificate), Certificate, "certificate");
}

function sameName(a: object, b: object): boolean {
  const [left, right] = [new Uint8Array(AsnConvert.serialize(a)), new Uint8Array(AsnConvert.serialize(b))];
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

type Extensions = NonNullable<Certificate["tbsCertificate"]["extensions"]> | readonly [];

const understood: ReadonlySet<string> = new Set([
  id_ce_basicConstraints,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_authorityKeyIdentifier,
]);

function checkProfile(extensions: Extensions): void {
  for (const { extnID, critical } of extensions) {
    if (critical && !understood.has(extnID)) throw new TokenError("claims", "certificate critical extension");
  }
  const constraints = parseExtension(extensions, id_ce_basicConstraints, BasicConstraints);
  if (constraints.cA) throw new TokenError("claims", "certificate basic constraints");
  const usage = parseExtension(extensions, id_ce_keyUsage, KeyUsage);
  if (usage.toNumber() !== KeyUsageFlags.digitalSignature) throw new TokenError("claims", "certificate key usage");
}

function subjectUris(extensions: Extensions): string[] {
  const names = parseExtension(extensions, id_ce_subjectAltName, SubjectAlternativeName);
  return [...names].map((name) => name.uniformResourceIdentifier ?? "");
}

function parseExtension<T>(extensions: Extensions, id: string, target: new () => T): T {
  const found = [...extensions].filter(({ extnID }) => extnID === id);
  const [only] = found;
  if (!only || found.length > 1) throw new TokenError("claims", `certificate extension ${id}`);
  return parseDer(new Uint8Array(only.extnValue.buffer), target, `certificate extension ${id}`);
}
