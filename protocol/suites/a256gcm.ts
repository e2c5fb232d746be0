import { CompactEncrypt } from "jose";
import * as z from "zod/mini";

import { type Jwk, importPublicKey, thumbprintSchema } from "../token/keys.ts";
import { TokenError } from "../token/token-error.ts";

/** A256GCM (RFC 7518 §5.3): the content encryption of every message. */
export const a256gcm = { enc: "A256GCM", keyBytes: 32, ivBytes: 12, tagBytes: 16 } as const;

/** What the protected header of every message says (RFC 7516 §4), exactly; everything else is refused, `zip` and `crit` included. */
export const messageHeader = { enc: z.literal(a256gcm.enc), cty: z.literal("JWT") };

/** And that of every request. */
export const requestHeader = {
  ...messageHeader,
  kid: thumbprintSchema,
  /** Reserved for admission control by intermediaries the operator runs; receivers ignore it. */
  admission: z.optional(z.string().check(z.maxLength(256))),
};

/** Encrypts a compact JWS into a compact JWE. */
export async function sealCompact(jws: string, header: { alg: string; kid?: string }, jwk: Jwk): Promise<string> {
  return new CompactEncrypt(new TextEncoder().encode(jws))
    .setProtectedHeader({ ...header, enc: a256gcm.enc, cty: "JWT" })
    .encrypt(await importPublicKey(jwk, header.alg));
}

/**
 * Decrypts under a content key from outside, which jose does not take, and only a custody can recover.
 * @param additionalData the protected header, as text
 * @throws TokenError `decryption`
 */
export async function decryptContent(
  contentKey: Uint8Array<ArrayBuffer>,
  sealed: {
    readonly iv: Uint8Array<ArrayBuffer>;
    readonly additionalData: Uint8Array<ArrayBuffer>;
    readonly ciphertext: Uint8Array;
    readonly tag: Uint8Array;
  },
): Promise<ArrayBuffer> {
  const { iv, additionalData, ciphertext, tag } = sealed;
  if (contentKey.length !== a256gcm.keyBytes) throw new TokenError("decryption", "content key");
  const text = new Uint8Array(ciphertext.length + tag.length);
  text.set(ciphertext);
  text.set(tag, ciphertext.length);
  try {
    const key = await crypto.subtle.importKey("raw", contentKey, "AES-GCM", false, ["decrypt"]);
    return await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData, tagLength: 128 }, key, text);
  } catch (cause) {
    throw new TokenError("decryption", "jwe", { cause });
  }
}
