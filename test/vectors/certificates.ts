import { uuidUri } from "@sealpost/protocol/bootstrap.ts";
import { rawToDer } from "@sealpost/protocol/token/der.ts";
import { thumbprintUri } from "@sealpost/protocol/token/keys.ts";
import { type SigningJwk } from "@sealpost/protocol/suites/suites.ts";

import {
  type Der,
  bitString,
  indefinite,
  integer,
  nothing,
  octetString,
  oid,
  sequence,
  set,
  tagged,
  time,
  uri,
  utf8String,
  yes,
} from "./der-writer.ts";
import { type EcName, deviceId, ecPublicJwk, kidOf, otherDeviceId, serviceId, signerOf } from "./test-keys.ts";
import type { VectorFile } from "./vector-file.ts";

/** Certificates and PKCS#10 requests, written octet by octet and not by what reads them. */

const ids = {
  publicKey: "1.2.840.10045.2.1",
  p256: "1.2.840.10045.3.1.7",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  ecdsaWithSha384: "1.2.840.10045.4.3.3",
  commonName: "2.5.4.3",
  extensionRequest: "1.2.840.113549.1.9.14",
  challengePassword: "1.2.840.113549.1.9.7",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
} as const;

const algorithm = (id: string = ids.ecdsaWithSha256): Der => sequence(oid(id));
const nameOf = (text: string): Der => sequence(set(sequence(oid(ids.commonName), utf8String(text))));
const extension = (id: string, value: Der, critical: readonly Der[] = []): Der =>
  sequence(oid(id), ...critical, octetString(value));
const altNames = (...uris: readonly string[]): Der => sequence(...uris.map(uri));

function point({ x, y }: SigningJwk): Der {
  return Buffer.concat([Buffer.from([4]), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
}

const publicKeyOf = (name: EcName, parameters: readonly Der[] = []): Der =>
  sequence(sequence(oid(ids.publicKey), oid(ids.p256), ...parameters), bitString(point(ecPublicJwk(name))));

/** RFC 7093 §2, method 1. */
async function keyIdentifier(name: EcName): Promise<Der> {
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(point(ecPublicJwk(name))));
  return new Uint8Array(digest).slice(0, 20);
}

/** Adds algorithm and signature to what is signed; base64. */
async function signed(content: Der, by: EcName, how: Partial<Signing> = {}): Promise<string> {
  const { algorithm: stated = algorithm(), unusedBits = 0, wrap = sequence } = how;
  const signature = rawToDer(await (await signerOf(by)).sign(new Uint8Array(content)));
  return Buffer.from(wrap(content, stated, bitString(signature, unusedBits))).toString("base64");
}

type Signing = {
  readonly algorithm: Der;
  readonly unusedBits: number;
  readonly wrap: (...content: readonly Der[]) => Der;
};

// Certificates

type CertificateParts = {
  readonly version: Der;
  readonly algorithm: Der;
  readonly issuer: Der;
  readonly subject: Der;
  readonly key: Der;
  readonly extensions: readonly Der[];
};

function tbsCertificate({ version, algorithm: stated, issuer, subject, key, extensions }: CertificateParts): Der {
  const serial = integer(0x40, ...Array.from({ length: 15 }, (_, index) => index));
  const validity = sequence(time("270115080000Z"), time("99991231235959Z"));
  return sequence(version, serial, stated, issuer, validity, subject, key, tagged(3, sequence(...extensions)));
}

const v3 = () => tagged(0, integer(2));
const caName = () => nameOf(`${serviceId} issuing CA`);
const authority = async (name: EcName) =>
  extension(ids.authorityKeyIdentifier, sequence(Buffer.concat([Buffer.from([0x80, 20]), await keyIdentifier(name)])));

/** The issuing CA of the vectors, under their root: the same octets every time but for the signature. */
async function issuingCa(): Promise<string> {
  const tbs = tbsCertificate({
    version: v3(),
    algorithm: algorithm(),
    issuer: nameOf(`${serviceId} root`),
    subject: caName(),
    key: publicKeyOf("issuingCa"),
    extensions: [
      extension(ids.basicConstraints, sequence(yes(), integer(0)), [yes()]),
      extension(ids.keyUsage, bitString(Buffer.from([0x04]), 2), [yes()]),
      extension(ids.subjectKeyIdentifier, octetString(await keyIdentifier("issuingCa"))),
      await authority("root"),
    ],
  });
  return signed(tbs, "root");
}

export type CertificateVector = {
  /** Base64 DER. */
  readonly certificate: string;
};

/** Judged by the device that holds `deviceSigning` and `deviceEncryption`, under the issuing CA of the file. */
export async function certificates(): Promise<VectorFile<CertificateVector> & { issuingCa: string }> {
  const names = [
    uuidUri(deviceId),
    thumbprintUri(await kidOf("deviceSigning")),
    thumbprintUri(await kidOf("deviceEncryption")),
  ];
  const constraints = (value: Der, critical = [yes()]) => extension(ids.basicConstraints, value, critical);
  const usage = (octets: number[], unused: number) =>
    extension(ids.keyUsage, bitString(Buffer.from(octets), unused), [yes()]);
  const alternative = (...uris: readonly string[]) => extension(ids.subjectAltName, altNames(...uris));
  const [noCa, signing, named, issuer] = [
    constraints(sequence()),
    usage([0x80], 7),
    alternative(...names),
    await authority("issuingCa"),
  ];
  const usual: CertificateParts = {
    version: v3(),
    algorithm: algorithm(),
    issuer: caName(),
    subject: nameOf(deviceId),
    key: publicKeyOf("deviceSigning"),
    extensions: [noCa, signing, named, issuer],
  };
  const made = async (change: Partial<CertificateParts> = {}, by: EcName = "issuingCa", how: Partial<Signing> = {}) =>
    signed(tbsCertificate({ ...usual, ...change }), by, how);
  const extensions = async (...list: readonly Der[]) => made({ extensions: list });
  const flipped = Buffer.from(await made(), "base64");
  flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;

  const valid = [
    ["as the service issues it", await made()],
    [
      "a critical authority key identifier aside, another order of extensions",
      await extensions(issuer, named, signing, noCa),
    ],
    [
      "an extension to come, not critical",
      await extensions(noCa, signing, named, issuer, extension("1.2.3.4", nothing())),
    ],
    ["another subject, which nobody reads", await made({ subject: nameOf("meter") })],
  ] as const;
  const [device = "", signingUri = "", encryptionUri = ""] = names;
  const invalid = [
    ["by the root", "the signer", "signature", await made({}, "root")],
    ["signature changed", "its last bit", "signature", flipped.toString("base64")],
    [
      "another algorithm inside",
      "ecdsa-with-SHA384 where it is signed",
      "claims",
      await made({ algorithm: algorithm(ids.ecdsaWithSha384) }),
    ],
    [
      "another algorithm outside",
      "ecdsa-with-SHA384",
      "claims",
      await made({}, "issuingCa", { algorithm: algorithm(ids.ecdsaWithSha384) }),
    ],
    ["version 1", "no version", "claims", await made({ version: Buffer.alloc(0) })],
    ["another issuer", "the root's name", "issuer", await made({ issuer: nameOf(`${serviceId} root`) })],
    ["over another key", "a stranger's public key", "key-binding", await made({ key: publicKeyOf("stranger") })],
    [
      "of another device",
      "its urn:uuid",
      "key-binding",
      await extensions(noCa, signing, alternative(uuidUri(otherDeviceId), signingUri, encryptionUri), issuer),
    ],
    [
      "of another encryption key",
      "its thumbprint",
      "key-binding",
      await extensions(noCa, signing, alternative(device, signingUri, thumbprintUri(await kidOf("stranger"))), issuer),
    ],
    [
      "a name missing",
      "two of three",
      "key-binding",
      await extensions(noCa, signing, alternative(device, signingUri), issuer),
    ],
    [
      "a further name",
      "four names",
      "key-binding",
      await extensions(noCa, signing, alternative(...names, uuidUri(otherDeviceId)), issuer),
    ],
    ["no names", "no subjectAltName", "claims", await extensions(noCa, signing, issuer)],
    ["names twice", "two subjectAltNames", "claims", await extensions(noCa, signing, named, named, issuer)],
    ["a CA", "CA:TRUE", "claims", await extensions(constraints(sequence(yes())), signing, named, issuer)],
    ["no basic constraints", "none", "claims", await extensions(signing, named, issuer)],
    [
      "for signing certificates too",
      "keyCertSign beside digitalSignature",
      "claims",
      await extensions(noCa, usage([0x84], 2), named, issuer),
    ],
    [
      "an unknown critical extension",
      "extendedKeyUsage, critical",
      "claims",
      await extensions(noCa, signing, named, issuer, extension(ids.extendedKeyUsage, sequence(), [yes()])),
    ],
    [
      "octets behind it",
      "one zero octet",
      "claims",
      Buffer.concat([Buffer.from(await made(), "base64"), Buffer.alloc(1)]).toString("base64"),
    ],
    [
      "indefinite length",
      "BER, the outermost structure",
      "claims",
      await made({}, "issuingCa", { wrap: (...content) => indefinite(0x30, ...content) }),
    ],
  ] as const;
  return {
    issuingCa: await issuingCa(),
    valid: valid.map(([name, certificate]) => ({ name, certificate })),
    invalid: invalid.map(([name, change, error, certificate]) => ({ name, change, error, certificate })),
  };
}

// PKCS#10

type RequestParts = {
  readonly version: Der;
  readonly subject: Der;
  readonly key: Der;
  readonly attributes: readonly Der[];
  readonly wrap: (...content: readonly Der[]) => Der;
};

export type CertificateRequestVector = {
  /** Base64 DER. */
  readonly csr: string;
};

/** Judged for `deviceEncryption` and the device id of the vectors: a renewal. In the bootstrap the credential id stands there. */
export async function certificateRequests(): Promise<VectorFile<CertificateRequestVector>> {
  const encryption = thumbprintUri(await kidOf("deviceEncryption"));
  const who = uuidUri(deviceId);
  const requested = (...values: readonly Der[]) => sequence(oid(ids.extensionRequest), set(...values));
  const altNameOf = (...uris: readonly string[]) => extension(ids.subjectAltName, altNames(...uris));
  const asked = sequence(altNameOf(encryption, who));
  const usual: RequestParts = {
    version: integer(0),
    subject: sequence(),
    key: publicKeyOf("deviceSigning"),
    attributes: [requested(asked)],
    wrap: sequence,
  };
  const made = async (change: Partial<RequestParts> = {}, how: Partial<Signing> = {}, by: EcName = "deviceSigning") => {
    const { version, subject, key, attributes, wrap } = { ...usual, ...change };
    return signed(wrap(version, subject, key, tagged(0, ...attributes)), by, how);
  };
  const names = async (...uris: readonly string[]) => made({ attributes: [requested(sequence(altNameOf(...uris)))] });
  const further = (id: string, value: Der) =>
    made({ attributes: [requested(sequence(altNameOf(encryption, who), extension(id, value)))] });
  const challenge = sequence(oid(ids.challengePassword), set(utf8String("x")));
  const flipped = Buffer.from(await made(), "base64");
  flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
  const plain = Buffer.from(await made(), "base64");

  const valid = [
    ["as a device makes it", await made()],
    ["the names in the other order", await names(who, encryption)],
    ["a subject, which nobody reads", await made({ subject: nameOf("meter-7") })],
    ["another attribute beside", await made({ attributes: [challenge, requested(asked)] })],
  ] as const;
  const invalid = [
    ["signed by another key", "the signer", "signature", await made({}, {}, "stranger")],
    ["signature changed", "its last bit", "signature", flipped.toString("base64")],
    [
      "another signature algorithm",
      "ecdsa-with-SHA384",
      "claims",
      await made({}, { algorithm: algorithm(ids.ecdsaWithSha384) }),
    ],
    ["for another id", "urn:uuid", "key-binding", await names(encryption, uuidUri(otherDeviceId))],
    [
      "for another encryption key",
      "its thumbprint",
      "key-binding",
      await names(thumbprintUri(await kidOf("stranger")), who),
    ],
    ["one name", "the id is missing", "key-binding", await names(encryption)],
    ["three names", "a further id", "key-binding", await names(encryption, who, uuidUri(otherDeviceId))],
    ["no attribute", "none", "claims", await made({ attributes: [] })],
    ["another attribute alone", "challengePassword", "claims", await made({ attributes: [challenge] })],
    [
      "two attributes",
      "extensionRequest twice",
      "claims",
      await made({ attributes: [requested(asked), requested(asked)] }),
    ],
    ["two values", "extensionRequest with two values", "claims", await made({ attributes: [requested(asked, asked)] })],
    ["wants to be a CA", "basicConstraints CA:TRUE", "claims", await further(ids.basicConstraints, sequence(yes()))],
    ["wants a key usage", "keyUsage", "claims", await further(ids.keyUsage, bitString(Buffer.from([0x80]), 7))],
    ["octets behind it", "one zero octet", "claims", Buffer.concat([plain, Buffer.alloc(1)]).toString("base64")],
    ["cut", "its last octet is missing", "claims", plain.subarray(0, -1).toString("base64")],
    ["version 2", "the integer 1", "claims", await made({ version: integer(1) })],
    ["a version of two octets", "0x0000", "claims", await made({ version: integer(0, 0) })],
    [
      "NULL parameters of the signature",
      "NULL",
      "claims",
      await made({}, { algorithm: sequence(oid(ids.ecdsaWithSha256), nothing()) }),
    ],
    ["NULL behind the curve", "NULL", "claims", await made({ key: publicKeyOf("deviceSigning", [nothing()]) })],
    [
      "indefinite length outside",
      "BER",
      "claims",
      await made({}, { wrap: (...content) => indefinite(0x30, ...content) }),
    ],
    [
      "indefinite length inside",
      "BER, where it is signed",
      "claims",
      await made({ wrap: (...content) => indefinite(0x30, ...content) }),
    ],
    ["unused bits in the signature", "1 of the last octet", "claims", await made({}, { unusedBits: 1 })],
    [
      "TRUE as 0x01",
      "critical, BER",
      "claims",
      await made({
        attributes: [requested(sequence(extension(ids.subjectAltName, altNames(encryption, who), [yes(1)])))],
      }),
    ],
    [
      "FALSE said",
      "critical, the default",
      "claims",
      await made({
        attributes: [
          requested(sequence(extension(ids.subjectAltName, altNames(encryption, who), [Buffer.from([1, 1, 0])]))),
        ],
      }),
    ],
    [
      "one key for two purposes",
      "the encryption key signs",
      "key-binding",
      await made({ key: publicKeyOf("deviceEncryption") }, {}, "deviceEncryption"),
    ],
  ] as const;
  return {
    valid: valid.map(([name, csr]) => ({ name, csr })),
    invalid: invalid.map(([name, change, error, csr]) => ({ name, change, error, csr })),
  };
}
