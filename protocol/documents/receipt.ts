import { parseCoSigned, verifiedSigners } from "./co-signed.ts";
import { type ReceiptClaims, receiptClaimsSchema } from "../exchanges/deregistration.ts";
import { type Signer, parseClaims, signJws, tokenTypes } from "../token/jws.ts";
import { TokenError } from "../token/token-error.ts";
import { type TrustClaims } from "./trust.ts";

export async function signReceipt(claims: ReceiptClaims, signer: Signer): Promise<string> {
  return signJws(tokenTypes.receipt, claims, signer);
}

/**
 * Verifies a receipt under the receipt keys of the trust document.
 * @param about the device and its keys that it must be about; without it, whatever it is about
 * @throws TokenError
 */
export async function openReceipt(
  receipt: string,
  trust: TrustClaims,
  about?: Pick<ReceiptClaims, "sub" | "signingKey" | "encryptionKey">,
): Promise<ReceiptClaims> {
  const { payload, parts } = parseCoSigned(tokenTypes.receipt, [receipt]);
  const signers = await verifiedSigners(parts, trust.receiptKeys);
  if (signers.size === 0) throw new TokenError("unknown-key", "receipt kid");
  const claims = parseClaims(payload, receiptClaimsSchema, "receipt");
  if (claims.iss !== trust.iss) throw new TokenError("issuer", "receipt iss");
  if (!about) return claims;
  if (claims.sub !== about.sub) throw new TokenError("audience", "receipt sub");
  if (claims.signingKey !== about.signingKey || claims.encryptionKey !== about.encryptionKey) {
    throw new TokenError("key-binding", "receipt keys");
  }
  return claims;
}
