import {
  constants,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  privateDecrypt,
} from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

import { uuidUri } from "@sealpost/protocol/bootstrap.ts";
import { thumbprintUri } from "@sealpost/protocol/token/keys.ts";
import canonicalize from "canonicalize";

import { concatKdf } from "./node-custody.ts";
import { type EcName, deviceId, ecPrivateJwk, ecPublicJwk, kidOf, rsaPrivateJwk, serviceId } from "./test-keys.ts";

/**
 * The protocol's appendix: one of every document in full, read from the vectors with node:crypto alone. What it shows was taken apart here, so
 * it cannot say what the vectors do not hold.
 */

const protocol = new URL("../../docs/protocol.md", import.meta.url);
const begin = "<!-- made by `node test/vectors/generate.ts` from vectors/: begin -->";
const end = "<!-- made by `node test/vectors/generate.ts` from vectors/: end -->";

/** @returns the protocol's text as it is, and as it would be with the appendix made anew */
export async function withAppendix(): Promise<{ readonly present: string; readonly anew: string }> {
  const present = readFileSync(protocol, "utf8");
  const [before, , after] = split(present);
  return { present, anew: `${before}${begin}\n\n${await appendix()}\n${end}${after}` };
}

export async function writeAppendix(): Promise<void> {
  writeFileSync(protocol, (await withAppendix()).anew);
}

function split(text: string): readonly [string, string, string] {
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to < from) throw new Error("docs/protocol.md has no place for the appendix");
  return [text.slice(0, from), text.slice(from, to), text.slice(to + end.length)];
}

const vectors = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), "utf8"));
const firstOf = (name: string) => vectors(name).valid[0];
const json = (value: unknown) => JSON.stringify(value, null, 2);
/** Broken for reading; the real text has no line breaks. */
const wrapped = (text: string) => (text.match(/.{1,120}/g) ?? []).join("\n");
const block = (text: string) => `\`\`\`text\n${text}\n\`\`\`\n`;
const decoded = (segment: string | undefined) => Buffer.from(segment ?? "", "base64url").toString();
const bytes = (segment: string | undefined) => Buffer.from(segment ?? "", "base64url");

function jwsParts(jws: string): { header: string; claims: string; padding: number } {
  const [header, payload] = jws.split(".");
  const text = decoded(payload);
  return { header: decoded(header), claims: json(JSON.parse(text)), padding: text.length - text.trimEnd().length };
}

function showJws(title: string, jws: string): string {
  const { header, claims, padding } = jwsParts(jws);
  const padded = padding > 0 ? `, then ${padding} spaces` : "";
  return `${title}. Protected header:\n\n${block(header)}\nClaims${padding > 0 ? " (members in the order as signed, here with line breaks)" : ""}${padded}:\n\n${block(claims)}\nIn full:\n\n${block(wrapped(jws))}`;
}

async function appendix(): Promise<string> {
  const sections = [
    keys(),
    await credential(),
    certificateRequest(),
    certificates(),
    `### A.5 Trust document\n\n${showJws("The one part of a document that the root alone signs", firstOf("trust").chain[0][0])}`,
    `### A.6 Key set\n\n${showJws("Signed by `keySet`", firstOf("key-sets").token)}`,
    request(),
    reply(),
    `### A.9 Manifest\n\n${showJws("The first of two parts, by `releaseA`; the second has the same claims, octet by octet, and is signed by `releaseB`", firstOf("manifests").document[0])}`,
    `### A.10 Receipt\n\n${showJws("Signed by `receipt`", firstOf("receipts").receipt)}`,
  ];
  return sections.join("\n");
}

function keys(): string {
  const { ec, rsa } = vectors("keys") as { ec: Record<string, object>; rsa: { messageDecryption: object } };
  const lines = Object.entries(ec).map(([name, jwk]) => `${name}\n${wrapped(JSON.stringify(jwk))}`);
  const { n, e, d } = rsa.messageDecryption as { n: string; e: string; d: string };
  return `### A.1 Keys

**These private keys are public. They protect nothing and must never be used.** The service id is \`${serviceId}\`, the device id \`${deviceId}\`.

${block([...lines, `messageDecryption (RSA)\n${wrapped(JSON.stringify({ kty: "RSA", n, e, d }))}`].join("\n\n"))}`;
}

async function credential(): Promise<string> {
  const example = {
    type: "sealpost-credential",
    version: 1,
    serviceId,
    credentialId: deviceId.replace(/^.{8}/, "c0ffee00"),
    secret: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
    bootstrapUrl: "https://bootstrap.example/bootstrap",
    roots: [await kidOf("root"), await kidOf("standby")],
  };
  const basic = Buffer.from(`${example.credentialId}:${example.secret}`).toString("base64");
  return `### A.2 Credential package and its Authorization header\n\n${block(json(example))}\n${block(`Authorization: Basic ${basic}`)}`;
}

function certificateRequest(): string {
  const encryption = ecPublicJwk("deviceEncryption");
  const print = createHash("sha256")
    .update(JSON.stringify({ crv: encryption.crv, kty: encryption.kty, x: encryption.x, y: encryption.y }))
    .digest("base64url");
  return `### A.3 PKCS#10 request

Of a renewal: it names the device id. Over \`deviceSigning\`, and with these two names:

${block(`${thumbprintUri(print)}\n${uuidUri(deviceId)}`)}
${block(wrapped(firstOf("certificate-requests").csr))}`;
}

function certificates(): string {
  const { issuingCa, valid } = vectors("certificates");
  return `### A.4 Certificates

The issuing CA's, by \`root\`:

${block(wrapped(issuingCa))}
The device's, by \`issuingCa\`:

${block(wrapped(valid[0].certificate))}`;
}

function request(): string {
  const { token, jws } = firstOf("requests") as { token: string; jws: string };
  const [header, encryptedKey, iv] = token.split(".");
  const key = createPrivateKey({ key: { ...rsaPrivateJwk() }, format: "jwk" });
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  const contentKey = privateDecrypt({ key, padding, oaepHash: "sha256" }, bytes(encryptedKey));
  expectPlaintext(token, contentKey, jws);
  const { jti, operation, body } = JSON.parse(jwsParts(jws).claims);
  const identity = canonicalize([jti, operation, body]) ?? "";
  return `### A.7 Request

${showJws("The JWS, signed by `deviceSigning`", jws)}
What its reply names as \`request\` (SHA-256 of the text above without line breaks, base64url), the canonical JSON of the message, and the first 40 bits of its digest (section 15.3):

${block(`${sha256(jws, "base64url")}\n${wrapped(identity)}\n${sha256(identity, "hex").slice(0, 10)}`)}
The JWE. Protected header, content key (hexadecimal), IV (hexadecimal):

${block(`${decoded(header)}\n${contentKey.toString("hex")}\n${bytes(iv).toString("hex")}`)}
The token, which is the body of \`POST /messages\`:

${block(wrapped(token))}`;
}

function reply(): string {
  const { token, key } = firstOf("replies") as { token: string; key: EcName };
  const [header, , iv] = token.split(".");
  const privateKey = createPrivateKey({ key: { ...ecPrivateJwk(key) }, format: "jwk" });
  const publicKey = createPublicKey({ key: JSON.parse(decoded(header)).epk, format: "jwk" });
  const shared = diffieHellman({ privateKey, publicKey });
  const contentKey = concatKdf(shared, "A256GCM");
  const jws = decrypt(token, contentKey);
  return `### A.8 Reply

To the request of A.7, sealed to \`${key}\`.

${showJws("The JWS, signed by `messageSigning`", jws)}
The JWE. Protected header; shared secret Z, content key and IV (hexadecimal; RFC 7518 §4.6.2 with \`A256GCM\`, 256 bits and empty party information):

${block(`${wrapped(decoded(header))}\n${shared.toString("hex")}\n${contentKey.toString("hex")}\n${bytes(iv).toString("hex")}`)}
The token:

${block(wrapped(token))}`;
}

function decrypt(token: string, contentKey: Buffer): string {
  const [header = "", , iv, ciphertext, tag] = token.split(".");
  const decipher = createDecipheriv("aes-256-gcm", contentKey, bytes(iv));
  decipher.setAAD(Buffer.from(header)).setAuthTag(bytes(tag));
  return Buffer.concat([decipher.update(bytes(ciphertext)), decipher.final()]).toString();
}

function expectPlaintext(token: string, contentKey: Buffer, jws: string): void {
  if (decrypt(token, contentKey) !== jws) throw new Error("the request's vector holds another JWS than it says");
}

function sha256(text: string, encoding: "hex" | "base64url"): string {
  return createHash("sha256").update(text).digest(encoding);
}
