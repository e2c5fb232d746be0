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
import { extensionRequest } from "@sealpost/protocol/documents/certificate-request.ts";
import { subjectAlternativeName, toBase64 } from "@sealpost/protocol/documents/x509.ts";
import { es256 } from "@sealpost/protocol/suites/es256.ts";
import { rawToDer } from "@sealpost/protocol/token/der.ts";
import { thumbprint, thumbprintUri } from "@sealpost/protocol/token/keys.ts";
import { type EncryptionJwk } from "@sealpost/protocol/suites/suites.ts";

import { encryptionJwk } from "../keys/device-keys.ts";
import type { DeviceKeys } from "../ports.ts";

/**
 * The PKCS#10 request (RFC 2986) of the bootstrap and of a renewal: proof that this device has the signing key, bound to the encryption key
 * and to who asks.
 * @param id the credential id in the bootstrap, the device id in a renewal
 */
export async function certificateRequest(
  keys: DeviceKeys,
  id: string,
): Promise<{ csr: string; encryptionKey: EncryptionJwk }> {
  const encryptionKey = await encryptionJwk(keys.encryption);
  const uris = [thumbprintUri(await thumbprint(encryptionKey)), uuidUri(id)];
  const spki = await crypto.subtle.exportKey("spki", keys.signing.publicKey);
  const certificationRequestInfo = new CertificationRequestInfo({
    subject: new Name(),
    subjectPKInfo: AsnConvert.parse(spki, SubjectPublicKeyInfo),
    attributes: new Attributes([sanRequest(uris)]),
  });
  const signed = AsnConvert.serialize(certificationRequestInfo);
  const signature = new Uint8Array(await crypto.subtle.sign(es256.sign, keys.signing.privateKey, signed));
  const request = new CertificationRequest({
    certificationRequestInfo,
    signatureAlgorithm: new AlgorithmIdentifier({ algorithm: es256.objectIdentifier }),
    signature: rawToDer(signature).buffer,
  });
  return { csr: toBase64(AsnConvert.serialize(request)), encryptionKey };
}

function sanRequest(uris: readonly string[]): Attribute {
  const extension = new Extension({
    extnID: id_ce_subjectAltName,
    extnValue: new OctetString(AsnConvert.serialize(subjectAlternativeName(uris))),
  });
  return new Attribute({
    type: extensionRequest,
    values: [AsnConvert.serialize(new Extensions([extension]))],
  });
}
