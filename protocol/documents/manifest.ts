import { type CoSigned, coSign, parseCoSigned, verifiedSigners } from "./co-signed.ts";
import { type ManifestClaims, manifestClaimsSchema } from "../exchanges/firmware.ts";
import { type Signer, parseClaims, tokenTypes } from "../token/jws.ts";
import { TokenError } from "../token/token-error.ts";
import { type TrustClaims } from "./trust.ts";

export async function signManifest(claims: ManifestClaims, signers: readonly Signer[]): Promise<CoSigned> {
  return coSign(tokenTypes.manifest, claims, signers);
}

/**
 * Verifies a firmware manifest under the release keys of the trust document, by its threshold, never under a message key.
 * Whether it suits a device (model, hardware, counter, expiry) is the caller's to judge.
 * @throws TokenError
 */
export async function openManifest(document: CoSigned, trust: TrustClaims): Promise<ManifestClaims> {
  const { payload, parts } = parseCoSigned(tokenTypes.manifest, document);
  const signers = await verifiedSigners(parts, trust.releaseKeys);
  if (signers.size < trust.releaseThreshold) throw new TokenError("signature", "manifest threshold");
  const claims = parseClaims(payload, manifestClaimsSchema, "manifest");
  if (claims.iss !== trust.iss) throw new TokenError("issuer", "manifest iss");
  return claims;
}
