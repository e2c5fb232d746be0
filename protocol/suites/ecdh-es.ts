import { compactDecrypt } from "jose";
import * as z from "zod/mini";

import { a256gcm, messageHeader } from "./a256gcm.ts";
import { p256, p256JwkSchema } from "./p256.ts";

const alg = "ECDH-ES";

/** Direct key agreement on P-256 (RFC 7518 §4.6): what both agree on is the content key, and there is no encrypted key. */
export const ecdhEs = {
  alg,
  /** A certified key; its algorithm is this one by definition. */
  jwk: p256JwkSchema,
  /** A key for the reply to one request, which says what it is for. */
  oneTimeJwk: z.strictObject({ ...p256JwkSchema.shape, alg: z.literal(alg) }),
  /** Nothing that names the device. */
  header: z.strictObject({ ...messageHeader, alg: z.literal(alg), epk: p256JwkSchema }),
  encryptedKeyBytes: 0,
  /** WebCrypto's names of the key. */
  key: { name: "ECDH", namedCurve: p256 },
  async open(token: string, privateKey: CryptoKey): Promise<Uint8Array<ArrayBuffer>> {
    const { plaintext } = await compactDecrypt(token, privateKey, {
      keyManagementAlgorithms: [alg],
      contentEncryptionAlgorithms: [a256gcm.enc],
      maxDecompressedLength: 0,
    });
    return new Uint8Array(plaintext);
  },
} as const;
