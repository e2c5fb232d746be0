import { p256, p256JwkSchema } from "./p256.ts";

/** ES256 (RFC 7518 §3.4): ECDSA on P-256 with SHA-256. */
export const es256 = {
  alg: "ES256",
  jwk: p256JwkSchema,
  /** r‖s. */
  signatureBytes: 64,
  /** ecdsa-with-SHA256 (RFC 5758 §3.2), whose signatures are DER: `token/der.ts`. */
  objectIdentifier: "1.2.840.10045.4.3.2",
  /** WebCrypto's names of the key and of the act. */
  key: { name: "ECDSA", namedCurve: p256 },
  sign: { name: "ECDSA", hash: "SHA-256" },
} as const;
