import type { Jwk } from "../token/keys.ts";
import type { SealedContent } from "./a256gcm.ts";
import type { SignatureSuite } from "./suites.ts";

/**
 * The cryptography of tokens, and nothing that is read or judged: forms, headers, types, claims and sizes are checked above, once for every engine. One
 * that works at once may answer without a promise. `portable-engine.ts` runs wherever WebCrypto does.
 */
export type TokenEngine = {
  sha256(bytes: Bytes): Bytes | Promise<Bytes>;
  /** RFC 7638, SHA-256, base64url. */
  thumbprint(jwk: Jwk): string | Promise<string>;
  /** A key that is a point of its curve, or as its suite needs it. */
  isUsable(jwk: Jwk, alg: string): boolean | Promise<boolean>;
  /** May also throw for what does not hold. */
  verify(suite: SignatureSuite, jwk: Jwk, signed: Signed): boolean | Promise<boolean>;
  /** Under a content key that a custody recovered. Throws if it is not authentic. */
  decryptContent(contentKey: Bytes, sealed: SealedContent): Bytes | Promise<Bytes>;
  /** Encrypts the ASCII bytes of a compact JWS into a compact JWE with A256GCM, under a fresh content key and, for key agreement, a fresh ephemeral key. */
  sealCompact(jws: Bytes, header: SealHeader, jwk: Jwk): string | Promise<string>;
};

type Bytes = Uint8Array<ArrayBuffer>;
export type Signed = { readonly signingInput: Bytes; readonly signature: Bytes };
export type SealHeader = { readonly alg: string; readonly kid?: string };
