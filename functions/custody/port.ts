import type { Signer } from "@sealpost/protocol/token/jws.ts";
import type { P256Jwk } from "@sealpost/protocol/suites/p256.ts";
import type { RequestAlgorithm, RequestJwk, SigningJwk } from "@sealpost/protocol/suites/suites.ts";

/** Recovers content keys with one of the server's private keys, wherever that lives. */
export type ContentKeyOpener = {
  readonly kid: string;
  readonly alg: RequestAlgorithm;
  /** Its public half, as the key set lists it. */
  readonly jwk: RequestJwk;
  /**
   * @param encryptedKey as in the JWE
   * @param epk for key agreement, the sender's ephemeral public key
   * @throws TokenError `decryption` if it does not open, `retired-key` if the key has been retired; Fault if the custody does not answer
   */
  open(encryptedKey: Uint8Array<ArrayBuffer>, epk?: P256Jwk): Promise<Uint8Array<ArrayBuffer>>;
};

export type SignerWithKey = Signer & { readonly jwk: SigningJwk };

/** The message keys of one moment, as the message function uses them. */
export type PresentKeys = {
  /** Keys that requests may be sealed to. */
  readonly openers: readonly ContentKeyOpener[];
  readonly replySigner: SignerWithKey;
  /**
   * Looks for a key that is not among `openers`, where keys come while the service runs. Not for every such request: anyone can name a key.
   * @throws Fault if the custody does not answer
   */
  readonly lookAgain?: (kid: string) => Promise<ContentKeyOpener | undefined>;
};

/** The service's message keys. A custody may fetch them at first use, and change them while the service runs. */
export type ServerKeys = {
  /**
   * @param now Unix seconds
   * @throws Fault: of this message alone, the next one asks again
   */
  at(now: number): Promise<PresentKeys>;
};

/** A key that signs for one purpose, fetched at first use. */
export type SigningKeySource = () => Promise<SignerWithKey>;

/** What a wrapped private half is bound to: unwrapped under another one it does not open. */
export type EpochContext = { readonly service: string; readonly use: string; readonly epoch: string };

/** Makes a P-256 pair whose private half nobody sees: DER of the public key (RFC 5280 SubjectPublicKeyInfo), and the wrapped PKCS#8, base64. */
export type MakeWrappedPair = (
  context: EpochContext,
) => Promise<{ readonly publicKey: Uint8Array<ArrayBuffer>; readonly wrapped: string }>;

/** Gives the PKCS#8 of a wrapped private half (RFC 5958, DER). */
export type Unwrap = (wrapped: string, context: EpochContext) => Promise<Uint8Array>;
