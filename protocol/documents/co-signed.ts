import * as z from "zod/mini";

import { type Jws, type Signer, type TokenType, parseJws, signJws, verifyJws } from "../token/jws.ts";
import { type EcPublicJwk, thumbprint } from "../token/keys.ts";
import { limits } from "../limits.ts";
import { TokenError } from "../token/token-error.ts";

/**
 * A document that several parties sign: one compact JWT for each, over the same payload byte for byte. Each is a plain JWT to any library.
 */
export const coSignedSchema = z
  .array(z.string().check(z.maxLength(limits.tokenBytes)))
  .check(z.minLength(1), z.maxLength(limits.signatures));
export type CoSigned = z.infer<typeof coSignedSchema>;

export async function coSign(typ: TokenType, claims: object, signers: readonly Signer[]): Promise<CoSigned> {
  return Promise.all(signers.map((signer) => signJws(typ, claims, signer)));
}

/**
 * Reads a co-signed document: every part of the same type and payload, no signer twice.
 * @throws TokenError
 */
export function parseCoSigned(typ: TokenType, document: CoSigned): { payload: Uint8Array; parts: readonly Jws[] } {
  const parts = document.map((token) => parseJws(typ, token));
  const [first] = parts;
  if (!first) throw new TokenError("compact-form", typ);
  const payloads = new Set(document.map((token) => token.split(".", 2)[1]));
  const signers = new Set(parts.map((part) => part.kid));
  if (payloads.size !== 1 || signers.size !== parts.length) throw new TokenError("compact-form", typ);
  return { payload: first.payload, parts };
}

/**
 * The thumbprints, among `keys`, under which the document carries a valid signature. A part signed by none of them counts for nothing;
 * a part that names one of them and does not verify is an error.
 * @throws TokenError `signature`
 */
export async function verifiedSigners(
  parts: readonly Jws[],
  keys: readonly EcPublicJwk[],
): Promise<ReadonlySet<string>> {
  const known = new Map(await Promise.all(keys.map(async (jwk) => [await thumbprint(jwk), jwk] as const)));
  const verified = new Set<string>();
  for (const part of parts) {
    const jwk = known.get(part.kid);
    if (!jwk) continue;
    await verifyJws(part, jwk);
    verified.add(part.kid);
  }
  return verified;
}
