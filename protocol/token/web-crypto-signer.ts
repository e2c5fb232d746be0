import type { Signer } from "./jws.ts";
import { thumbprint, toEcPublicJwk } from "./keys.ts";

/** A signer over a P-256 WebCrypto key pair; the private key may be non-extractable. */
export async function webCryptoSigner(pair: CryptoKeyPair): Promise<Signer> {
  const jwk = toEcPublicJwk({ ...(await crypto.subtle.exportKey("jwk", pair.publicKey)) });
  return {
    kid: await thumbprint(jwk),
    async sign(data) {
      const algorithm = { name: "ECDSA", hash: "SHA-256" };
      return new Uint8Array(await crypto.subtle.sign(algorithm, pair.privateKey, data));
    },
  };
}
