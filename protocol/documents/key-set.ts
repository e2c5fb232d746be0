import * as z from "zod/mini";

import { type Signer, parseClaims, parseJws, signJws, tokenTypes, verifyJws } from "../token/jws.ts";
import { type EcPublicJwk, type PublicJwk, ecPublicJwkSchema, thumbprint, thumbprintSchema } from "../token/keys.ts";
import { rsaPublicJwkSchema } from "../token/keys.ts";
import { type RequestAlgorithm } from "../suites/suites.ts";
import { ifUsable, showsPrivateHalf } from "./open.ts";
import { TokenError } from "../token/token-error.ts";

const validity = {
  kid: thumbprintSchema,
  /** Unix seconds; a key is usable in [nbf, exp), without bound where one is absent. */
  nbf: z.optional(z.int()),
  exp: z.optional(z.int()),
};

const signingJwkSchema = z.object({
  ...ecPublicJwkSchema.shape,
  ...validity,
  use: z.literal("sig"),
  alg: z.literal("ES256"),
});
const ecEncryptionJwkSchema = z.object({
  ...ecPublicJwkSchema.shape,
  ...validity,
  use: z.literal("enc"),
  alg: z.literal("ECDH-ES+A256KW"),
});
const rsaEncryptionJwkSchema = z.object({
  ...rsaPublicJwkSchema.shape,
  ...validity,
  use: z.literal("enc"),
  alg: z.literal("RSA-OAEP-256"),
});

const keyJwkSchema = z.union([signingJwkSchema, ecEncryptionJwkSchema, rsaEncryptionJwkSchema]);

/** Claims of a key set (RFC 7517 §5 inside a JWT): the server's present message keys. A key that is absent is retired. */
export const keySetClaimsSchema = z.object({
  iss: z.string(),
  iat: z.int(),
  exp: z.int(),
  /** max(previous + 1, Unix time of signing): a device never goes back. */
  version: z.int().check(z.positive()),
  keys: z.array(keyJwkSchema).check(z.minLength(2)),
  /** What requests may be made of. Absent: `jose`, and the algorithms of the listed keys. */
  accepts: z.optional(z.object({ encodings: z.array(z.string()), requestAlgorithms: z.array(z.string()) })),
});
const names = ifUsable(z.array(z.unknown()));
/** As a device reads it: keys of a kind that it does not know are passed over (RFC 7517 §5), so that new algorithms can be introduced. */
const listedKeysSchema = z.object({
  ...keySetClaimsSchema.shape,
  keys: z.array(z.unknown()),
  /** Of another form it says nothing. */
  accepts: ifUsable(z.object({ encodings: names, requestAlgorithms: names })),
});
export type KeySetClaims = z.infer<typeof keySetClaimsSchema>;
export type KeySetJwk = KeySetClaims["keys"][number];

/** The one encoding of messages that version 1 has: compact JOSE. */
export const encoding = "jose";

/** A server key that requests are sealed to. */
export type ServerKey = { readonly kid: string; readonly alg: RequestAlgorithm; readonly jwk: PublicJwk };

export async function signKeySet(claims: KeySetClaims, signer: Signer): Promise<string> {
  return signJws(tokenTypes.keySet, claims, signer);
}

/** A verified key set, with its keys ready for use. */
export type KeySet = {
  readonly token: string;
  readonly iat: number;
  readonly exp: number;
  readonly version: number;
  /** Message-signing key by thumbprint. */
  signingKey(kid: string): EcPublicJwk | undefined;
  /** The first listed encryption key that is valid at `now`; the order is the server's preference. */
  serverKey(now: number): ServerKey | undefined;
  /** Whether requests may still be sealed to this key. */
  lists(kid: string): boolean;
};

/**
 * Verifies a key set under the key-set keys of the trust document. It does not judge `exp`: an old key set prompts a fetch, never a stop.
 * @throws TokenError `unknown-key` · `signature` · `claims` · `issuer`
 */
export async function openKeySet(
  token: string,
  trusted: { readonly serviceId: string; readonly keySetKeys: readonly EcPublicJwk[] },
): Promise<KeySet> {
  const jws = parseJws(tokenTypes.keySet, token);
  const prints = await Promise.all(trusted.keySetKeys.map(thumbprint));
  const key = trusted.keySetKeys[prints.indexOf(jws.kid)];
  if (!key) throw new TokenError("unknown-key", "key set kid");
  await verifyJws(jws, key);
  const claims = parseClaims(jws.payload, listedKeysSchema, "key set");
  if (claims.iss !== trusted.serviceId) throw new TokenError("issuer", "key set iss");
  const keys = (await Promise.all(claims.keys.map(usableKey))).filter((key) => key !== undefined);
  if (!keys.some(({ use }) => use === "sig") || !keys.some(({ use }) => use === "enc")) {
    throw new TokenError("claims", "key set keys");
  }
  const { iat, exp, version, accepts = {} } = claims;
  const taken = (alg: string) =>
    (accepts.encodings ?? [encoding]).includes(encoding) && (accepts.requestAlgorithms ?? [alg]).includes(alg);
  return {
    token,
    iat,
    exp,
    version,
    signingKey: (kid) => {
      const found = keys.find((entry) => entry.use === "sig" && entry.kid === kid);
      return found?.jwk.kty === "EC" ? found.jwk : undefined;
    },
    serverKey: (now) => {
      for (const { alg, kid, jwk, nbf = 0, exp: end = Infinity } of keys) {
        if (alg !== "ES256" && taken(alg) && nbf <= now && now < end) return { alg, kid, jwk };
      }
      return undefined;
    },
    lists: (kid) => keys.some((entry) => entry.kid === kid),
  };
}

/** A listed key that this version can use, as the bare JWK and what is said of it; undefined for any other. Its kid must be its own thumbprint. */
async function usableKey(listed: unknown) {
  const key = showsPrivateHalf(listed) ? undefined : keyJwkSchema.safeParse(listed).data;
  if (!key) return undefined;
  const { kid, use, alg, nbf, exp, ...jwk } = key;
  return (await thumbprint(jwk)) === kid ? { kid, use, alg, nbf, exp, jwk } : undefined;
}
