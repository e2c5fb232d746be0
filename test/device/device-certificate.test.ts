import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  BasicConstraints,
  Certificate,
  Extension,
  GeneralName,
  KeyUsage,
  KeyUsageFlags,
  SubjectAlternativeName,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
} from "@peculiar/asn1-x509";
import { beforeAll, describe, expect, test } from "vitest";

import { issueCaCertificate, issueDeviceCertificate } from "@sealpost/protocol/documents/certificate.ts";
import { fromBase64, toBase64 } from "@sealpost/protocol/documents/x509.ts";
import { rawToDer } from "@sealpost/protocol/token/der.ts";

import { verifyDeviceCertificate } from "../../device/identity/device-certificate.ts";
import { type SigningKey, agreementKey, signingKey } from "../support/keys.ts";
import { present, serviceId } from "../support/service.ts";

const deviceId = "0a4f9c1e-9d0c-4d0e-8c53-0d6a3a3f7b11";
const now = new Date(present * 1000);

let ca: SigningKey;
let issuingCa: string;
let certificate: string;
let own: { signingKey: string; encryptionKey: string; deviceId: string };

beforeAll(async () => {
  const [root, signing, encryption] = [await signingKey(), await signingKey(), await agreementKey()];
  ca = await signingKey();
  issuingCa = await issueCaCertificate({ serviceId, caKey: ca.jwk, root, rootKey: root.jwk, now });
  certificate = await issueDeviceCertificate({
    serviceId,
    deviceId,
    signingKey: signing.jwk,
    encryptionKey: encryption.jwk,
    ca,
    caKey: ca.jwk,
    now,
  });
  const { thumbprint } = await import("@sealpost/protocol/token/keys.ts");
  own = { signingKey: signing.kid, encryptionKey: await thumbprint(encryption.jwk), deviceId };
});

/** The same certificate with one thing varied, signed by the same CA. */
async function varied(change: (certificate: Certificate) => void): Promise<string> {
  const parsed = AsnConvert.parse(fromBase64(certificate), Certificate);
  change(parsed);
  const signed = new Uint8Array(AsnConvert.serialize(parsed.tbsCertificate));
  parsed.signatureValue = rawToDer(await ca.sign(signed)).buffer;
  return toBase64(AsnConvert.serialize(parsed));
}

function replace({ tbsCertificate: { extensions } }: Certificate, extnID: string, value: unknown): void {
  const found = [...(extensions ?? [])].find((extension) => extension.extnID === extnID);
  if (!found) throw new Error(extnID);
  found.extnValue = new OctetString(AsnConvert.serialize(value));
}

const uri = (text: string) => new GeneralName({ uniformResourceIdentifier: text });

test("ok/as issued, and signed anew", async () => {
  await expect(verifyDeviceCertificate(certificate, issuingCa, own)).resolves.toBeUndefined();
  await expect(verifyDeviceCertificate(await varied(() => {}), issuingCa, own)).resolves.toBeUndefined();
});

describe("one thing varied", () => {
  const cases: Record<string, (certificate: Certificate) => void> = {
    "a CA": (parsed) => replace(parsed, id_ce_basicConstraints, new BasicConstraints({ cA: true })),
    "another key usage": (parsed) => replace(parsed, id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign)),
    "a further key usage": (parsed) =>
      replace(parsed, id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign)),
    "a further name": (parsed) => {
      const tp = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:";
      const names = [`urn:uuid:${deviceId}`, tp + own.signingKey, tp + own.encryptionKey, "urn:uuid:another"];
      replace(parsed, id_ce_subjectAltName, new SubjectAlternativeName(names.map(uri)));
    },
    "a name missing": (parsed) =>
      replace(parsed, id_ce_subjectAltName, new SubjectAlternativeName([uri(`urn:uuid:${deviceId}`)])),
    "no names": ({ tbsCertificate: { extensions } }) => {
      extensions?.splice(
        [...extensions].findIndex(({ extnID }) => extnID === id_ce_subjectAltName),
        1,
      );
    },
    "a critical extension that nobody understands": ({ tbsCertificate: { extensions } }) => {
      extensions?.push(
        new Extension({ extnID: id_ce_extKeyUsage, critical: true, extnValue: new OctetString([0x30, 0]) }),
      );
    },
    "an extension twice": ({ tbsCertificate: { extensions } }) => {
      const [first] = extensions ?? [];
      if (first) extensions?.push(first);
    },
    "another issuer's name": ({ tbsCertificate: tbs }) => {
      tbs.issuer = tbs.subject;
    },
  };
  for (const [name, change] of Object.entries(cases)) {
    test(`fails/${name}`, async () => {
      await expect(verifyDeviceCertificate(await varied(change), issuingCa, own)).rejects.toMatchObject({
        name: "TokenError",
      });
    });
  }

  test("fails/a changed byte, a byte behind, another device", async () => {
    const der = fromBase64(certificate);
    const changed = der.slice();
    changed[60] = (changed[60] ?? 0) ^ 1;
    await expect(verifyDeviceCertificate(toBase64(changed), issuingCa, own)).rejects.toMatchObject({
      name: "TokenError",
    });
    const longer = toBase64(new Uint8Array([...der, 0]));
    await expect(verifyDeviceCertificate(longer, issuingCa, own)).rejects.toMatchObject({ name: "TokenError" });
    const other = { ...own, deviceId: "0a4f9c1e-9d0c-4d0e-8c53-0d6a3a3f7b12" };
    await expect(verifyDeviceCertificate(certificate, issuingCa, other)).rejects.toMatchObject({ code: "key-binding" });
  });
});
