import * as z from "zod/mini";

import { type Jws, type Signer, type TokenType, parseJwsIfKnown, signJws, verifyJws } from "../token/jws.ts";
import { thumbprint } from "../token/keys.ts";
import { type SigningJwk } from "../suites/suites.ts";
import { limits } from "../limits.ts";
import { decodeBase64url } from "../token/strict.ts";
import { TokenError } from "../token/token-error.ts";

/**
 * A document that several parties sign: one compact JWT for each, over the same payload byte for byte. Each is a plain JWT to any library.
 */
export const coSignedSchema = z.array(z.string().check(z.maxLength(limits.tokenBytes))).check(z.minLength(1));
export type CoSigned = z.infer<typeof coSignedSchema>;

export async function coSign(typ: TokenType, claims: object, signers: readonly Signer[]): Promise<CoSigned> {
  return Promise.all(signers.map((signer) => signJws(typ, claims, signer)));
}

/**
 * Reads a co-signed document: every part over the same payload, of the same type, no signer twice. A part by an algorithm that this version does not
 * know counts for nothing, so that a later signature can stand beside today's.
 * @throws TokenError
 */
export function parseCoSigned(
  typ: TokenType,
  document: CoSigned,
): { payload: Uint8Array<ArrayBuffer>; parts: readonly Jws[] } {
  const [payload, ...others] = new Set(document.map((token) => token.split(".", 2)[1]));
  if (payload === undefined || others.length > 0) throw new TokenError("compact-form", typ);
  const parts = document.flatMap((token) => parseJwsIfKnown(typ, token) ?? []);
  if (new Set(parts.map(({ kid }) => kid)).size !== parts.length) throw new TokenError("compact-form", typ);
  return { payload: decodeBase64url(payload, typ), parts };
}

/**
 * The thumbprints, among `keys`, under which the document carries a valid signature. A part signed by none of them counts for nothing;
 * a part that names one of them and does not verify is an error.
 * @throws TokenError `signature`
 */
export async function verifiedSigners(
  parts: readonly Jws[],
  keys: readonly SigningJwk[],
): Promise<ReadonlySet<string>> {
  const known = new Map(await Promise.all(keys.map(async (jwk) => [await thumbprint(jwk), jwk] as const)));
  const verified = new Set<string>();
  for (const part of parts) {
    const { kid = "" } = part;
    const jwk = known.get(kid);
    if (!jwk) continue;
    await verifyJws(part, jwk);
    verified.add(kid);
  }
  return verified;
}
