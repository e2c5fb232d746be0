import { Attributes, CertificationRequest, CertificationRequestInfo } from "@peculiar/asn1-csr";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  Attribute,
  Extension,
  Extensions,
  Name,
  SubjectPublicKeyInfo,
  id_ce_subjectAltName,
} from "@peculiar/asn1-x509";

import { uuidUri } from "@sealpost/protocol/bootstrap.ts";
import { subjectAlternativeName, toBase64 } from "@sealpost/protocol/documents/x509.ts";
import { rawToDer } from "@sealpost/protocol/token/der.ts";
import { thumbprint, thumbprintUri } from "@sealpost/protocol/token/keys.ts";
import { type SigningJwk } from "@sealpost/protocol/suites/suites.ts";

import type { SigningKey } from "../support/keys.ts";

/** A PKCS#10 request that binds any encryption key, also one that no device could hold. */
export async function certificateRequestFor(
  signing: SigningKey,
  encryptionKey: SigningJwk,
  id: string,
): Promise<string> {
  const uris = [thumbprintUri(await thumbprint(encryptionKey)), uuidUri(id)];
  const extension = new Extension({
    extnID: id_ce_subjectAltName,
    extnValue: new OctetString(AsnConvert.serialize(subjectAlternativeName(uris))),
  });
  const attribute = new Attribute({
    type: "1.2.840.113549.1.9.14",
    values: [AsnConvert.serialize(new Extensions([extension]))],
  });
  const spki = await crypto.subtle.exportKey("spki", signing.pair.publicKey);
  const certificationRequestInfo = new CertificationRequestInfo({
    subject: new Name(),
    subjectPKInfo: AsnConvert.parse(spki, SubjectPublicKeyInfo),
    attributes: new Attributes([attribute]),
  });
  const signature = await signing.sign(new Uint8Array(AsnConvert.serialize(certificationRequestInfo)));
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: "1.2.840.10045.4.3.2" });
  const request = new CertificationRequest({
    certificationRequestInfo,
    signatureAlgorithm,
    signature: rawToDer(signature).buffer,
  });
  return toBase64(AsnConvert.serialize(request));
}
