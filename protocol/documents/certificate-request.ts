import { CertificationRequest } from "@peculiar/asn1-csr";
import { Extensions, SubjectAlternativeName, id_ce_subjectAltName } from "@peculiar/asn1-x509";

import { uuidUri } from "../bootstrap.ts";
import { es256 } from "../suites/es256.ts";
import { type EncryptionJwk, type SigningJwk, replySuiteOf } from "../suites/suites.ts";
import { importPublicKey, thumbprint, thumbprintUri } from "../token/keys.ts";
import { TokenError } from "../token/token-error.ts";
import { fromBase64, parseDer, publicKeyOf, verifyDer } from "./x509.ts";

/** The PKCS#10 request (RFC 2986) of the protocol, as the service reads it. */

/** RFC 2985 §5.4.2. */
export const extensionRequest = "1.2.840.113549.1.9.14";

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
