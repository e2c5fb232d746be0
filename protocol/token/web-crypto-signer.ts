import type { Signer } from "./jws.ts";
import { toSigningJwk, signatureSuiteOf } from "../suites/suites.ts";
import { thumbprint } from "./keys.ts";

/** A signer over a WebCrypto key pair; the private key may be non-extractable. */
export async function webCryptoSigner(pair: CryptoKeyPair): Promise<Signer> {
  const jwk = toSigningJwk(await crypto.subtle.exportKey("jwk", pair.publicKey));
  const suite = signatureSuiteOf(jwk);
  return {
    kid: await thumbprint(jwk),
    alg: suite.alg,
    async sign(data) {
      return new Uint8Array(await crypto.subtle.sign(suite.sign, pair.privateKey, data));
    },
  };
}
