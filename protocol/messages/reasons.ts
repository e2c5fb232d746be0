import type { TokenErrorCode } from "../token/token-error.ts";
import { isRefusalCode, refusals } from "./refusals.ts";

/** What a check compared with what, and what to do when it did not hold. Constant texts: never a value of the message. */
export type Reason = { readonly compared: string; readonly remedy: string };

/** For every way in which a token or a signed document does not open, at either end. */
const checks = {
  "too-large": {
    compared: "the length in bytes with the limits of section 6",
    remedy: "Send less; no retry makes it fit.",
  },
  base64url: {
    compared: "each part with its own bytes, encoded again (RFC 4648 §5, no padding)",
    remedy:
      "Encode without `=`, line breaks and stray bits; if only some messages fail, something on the way changes them.",
  },
  json: {
    compared: "the text with strict JSON: UTF-8 without BOM, no member twice, bounded depth (section 5)",
    remedy: "Write each member once, and nothing before or after the object but white space.",
  },
  "compact-form": {
    compared: "the number of parts with five for a JWE and three for a JWS, and their lengths",
    remedy: "Send the compact token alone as the body: no quotes, no line break, not JSON.",
  },
  "jwe-header": {
    compared: "the members of the JWE header with those of section 13.2, exactly",
    remedy: "Leave out what is not listed there, and take `alg` from the key in the key set.",
  },
  "jws-header": {
    compared: "the members of the JWS header with those of section 7.1, exactly",
    remedy: "Leave out what is not listed there; `typ` names the kind of token.",
  },
  "unknown-key": {
    compared: "`kid` with the thumbprints of the keys that may sign or open this",
    remedy: "Compute `kid` as the RFC 7638 thumbprint of the key in use, and fetch the documents again.",
  },
  "retired-key": {
    compared: "`kid` of the JWE header with the keys that this service opens messages with",
    remedy:
      "Take `trust` and `keySet` from the answer or from `GET /keys`, verify them, and seal the same message to the key listed there.",
  },
  decryption: {
    compared: "the ciphertext with its tag, under the key that `kid` names and with the header as it was sent",
    remedy:
      "Encrypt to the key of `kid`, over the very header bytes that are sent; if only some fail, something on the way changes bits.",
  },
  signature: {
    compared: "the signature with the signed bytes, under the key that `kid` names",
    remedy:
      "Sign `header.payload` as it is sent, with the private half of that key; ES256 is 64 bytes r‖s, not DER (RFC 7515 §A.3).",
  },
  claims: {
    compared: "the claim named with the schema of its document",
    remedy: "Send exactly the claims listed in the section of that document, with their types.",
  },
  issuer: { compared: "`iss` with whoever is expected to speak", remedy: "Use the id that the bootstrap gave." },
  audience: {
    compared: "the receiver named with the one that reads this",
    remedy: "Name the receiver: `aud` of a request is the service id.",
  },
  "key-binding": {
    compared: "the key named inside the signature with the key in use",
    remedy: "Name the same key inside and outside.",
  },
  "request-binding": {
    compared: "the digest of the request in the reply with the SHA-256 of the JWS that was sent",
    remedy: "Keep the digest of every copy that may still be answered; a reply to another copy belongs to that one.",
  },
  version: { compared: "the document's version with the newest one seen", remedy: "Publish under a higher version." },
  expired: { compared: "`exp` with the time", remedy: "Seal it again with a present time." },
} as const satisfies Record<TokenErrorCode, Reason>;

/** Where more is known: `code detail` of the check. */
const particular: { readonly [check: string]: Reason | undefined } = {
  "audience request aud": {
    compared: "the claim `aud` with this service's id",
    remedy:
      "Set `aud` to `iss` of the trust document, one string; if that is what was sent, the device belongs to another service.",
  },
  "issuer request iss": {
    compared: "the claim `iss` with the device ids of the registry",
    remedy:
      "Set `iss` to the `deviceId` that the bootstrap gave. A device of a stack that was since taken down must bootstrap again.",
  },
  "key-binding request serverKey": {
    compared: "the claim `serverKey` with `kid` of the JWE header",
    remedy: "Put the thumbprint of the key that the message is encrypted to into both.",
  },
  "signature request": {
    compared:
      "the signature with the signed bytes, under the device's certified signing key and, after a renewal, the one before",
    remedy:
      "Sign `header.payload` as it is sent, with the key of the last certificate. The key before ends with the first message under the new one.",
  },
};

/** Reasons of the bootstrap routes that are no refusal of a token. */
const bootstrapReasons: { readonly [reason: string]: Reason | undefined } = {
  authorization: {
    compared:
      "the Authorization header with `Basic <credentialId>:<secret>`, both form-encoded first (RFC 6749 §2.3.1)",
    remedy: "Send the id and the secret of the credential package.",
  },
  unknown: {
    compared: "the credential id with those that were created",
    remedy: "Use a package of this service; create a new credential.",
  },
  secret: { compared: "the secret with the credential's", remedy: "Use the package as it was written." },
  expired: { compared: "the credential's end with the time", remedy: "Create a new credential." },
  revoked: { compared: "the credential's state", remedy: "An operator revoked it; create a new one." },
  used: {
    compared: "the credential's state",
    remedy: "Its device has already spoken; create one credential for each device.",
  },
  "other keys": {
    compared: "the keys of the PKCS#10 request with those that this credential was used with",
    remedy: "Repeat a lost bootstrap with the same keys; a new device needs a credential of its own.",
  },
  "first token": {
    compared: "the Bearer token with what `/bootstrap/token` gives: signature, `aud`, 300 seconds",
    remedy: "Ask for a new first token on the same connection.",
  },
  "content-type": {
    compared: "the media type with the route's",
    remedy: "Send the Content-Type that the protocol names for this route.",
  },
};

/**
 * Explains a line of a function's log, or a local error, to an engineer.
 * @param why what the log line says: `outcome`, and where there is one the `reason` (a check's code) and its `detail` (a member's name)
 * @returns `undefined` for what is no refusal, or has no more to say than its name
 * @example explainReason({ outcome: "not-accepted", reason: "audience", detail: "request aud" })?.remedy
 */
export function explainReason(why: {
  readonly outcome: string;
  readonly reason?: string | undefined;
  readonly detail?: string | undefined;
}): Reason | undefined {
  const { outcome, reason = "", detail = "" } = why;
  if (isRefusalCode(outcome)) {
    const { detail: compared, final } = refusals[outcome];
    return { compared, remedy: final ? "This message is answered for good." : "Send the same message again." };
  }
  const check = isCheck(reason) ? checks[reason] : undefined;
  // A credential expires, and so does a token: whose end it is, only the outcome tells.
  return outcomesOfMessages.has(outcome)
    ? (particular[`${reason} ${detail}`] ?? check)
    : (bootstrapReasons[reason] ?? check);
}

const outcomesOfMessages: ReadonlySet<string> = new Set(["not-accepted", "key-retired", "too-large"]);

function isCheck(code: string): code is TokenErrorCode {
  return Object.hasOwn(checks, code);
}
