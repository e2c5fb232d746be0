import { ecdhEs } from "@sealpost/protocol/suites/ecdh-es.ts";
import { es256 } from "@sealpost/protocol/suites/es256.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { toSigningJwk, type EncryptionJwk, type SigningJwk } from "@sealpost/protocol/suites/suites.ts";
import * as z from "zod/mini";

import type { DeviceKeys, KeyStore } from "../ports.ts";

const signing = es256.key;
const encryption = ecdhEs.key;

/** @param extractable only where the store has to write them down */
export async function generateDeviceKeys(extractable: boolean): Promise<DeviceKeys> {
  return {
    signing: await crypto.subtle.generateKey(signing, extractable, ["sign", "verify"]),
    encryption: await generateReplyKey(extractable),
  };
}

/** ECDH-ES derives bits and nothing else (RFC 7518 §4.6). */
export async function generateReplyKey(extractable = false): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(encryption, extractable, ["deriveBits"]);
}

/** Restores key pairs from private JWKs; the private keys cannot be exported from the result. */
export async function importDeviceKeys(jwks: {
  readonly signing: JsonWebKey;
  readonly encryption: JsonWebKey;
}): Promise<DeviceKeys> {
  return {
    signing: {
      privateKey: await crypto.subtle.importKey("jwk", jwks.signing, signing, false, ["sign"]),
      publicKey: await crypto.subtle.importKey("jwk", toSigningJwk({ ...jwks.signing }), signing, true, ["verify"]),
    },
    encryption: {
      privateKey: await crypto.subtle.importKey("jwk", jwks.encryption, encryption, false, ["deriveBits"]),
      publicKey: await crypto.subtle.importKey("jwk", toSigningJwk({ ...jwks.encryption }), encryption, true, []),
    },
  };
}

export async function publicJwk(pair: CryptoKeyPair): Promise<SigningJwk> {
  return toSigningJwk({ ...(await crypto.subtle.exportKey("jwk", pair.publicKey)) });
}

/** The key that replies are sealed to. */
export async function encryptionJwk(pair: CryptoKeyPair): Promise<EncryptionJwk> {
  return z.object(ecdhEs.jwk.shape).parse(await crypto.subtle.exportKey("jwk", pair.publicKey));
}

export type Thumbprints = { readonly signingKey: string; readonly encryptionKey: string };

export async function thumbprints(keys: DeviceKeys): Promise<Thumbprints> {
  return {
    signingKey: await thumbprint(await publicJwk(keys.signing)),
    encryptionKey: await thumbprint(await encryptionJwk(keys.encryption)),
  };
}

/** Of the present keys, then of the candidate, as far as they are there. */
export async function storedThumbprints(store: Pick<KeyStore, "load">): Promise<Thumbprints[]> {
  const stored = [await store.load("current"), await store.load("next")];
  return Promise.all(stored.filter((keys) => keys !== null).map(thumbprints));
}
