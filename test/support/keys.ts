import { toSigningJwk, type SigningJwk } from "@sealpost/protocol/suites/suites.ts";
import type { Signer } from "@sealpost/protocol/token/jws.ts";
import { webCryptoSigner } from "@sealpost/protocol/token/web-crypto-signer.ts";

/** Real P-256 keys of a test: never written anywhere. */
export type SigningKey = Signer & { readonly jwk: SigningJwk; readonly pair: CryptoKeyPair };

export async function signingKey(): Promise<SigningKey> {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  return { ...(await webCryptoSigner(pair)), jwk: await publicJwk(pair), pair };
}

export type AgreementKey = { readonly jwk: SigningJwk; readonly pair: CryptoKeyPair };

export async function agreementKey(): Promise<AgreementKey> {
  const pair = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, true, [
    "deriveBits",
    "deriveKey",
  ]);
  return { jwk: await publicJwk(pair), pair };
}

async function publicJwk(pair: CryptoKeyPair): Promise<SigningJwk> {
  return toSigningJwk({ ...(await crypto.subtle.exportKey("jwk", pair.publicKey)) });
}
