import * as z from "zod/mini";

import { type Signer, parseClaims, parseJws, signJws, tokenTypes, verifyJws } from "../token/jws.ts";
import { thumbprint, thumbprintSchema } from "../token/keys.ts";
import {
  type RequestAlgorithm,
  type RequestJwk,
  type SignatureAlgorithm,
  type SigningJwk,
  bareRequestJwk,
  bareSigningJwk,
  requestAlgorithm,
} from "../suites/suites.ts";
import { ifUsable, showsPrivateHalf } from "./open.ts";
import { TokenError } from "../token/token-error.ts";

/** What is said of a listed key besides its public members. */
type SaidOfKey = {
  readonly kid: string;
  /** Unix seconds; a key is usable in [nbf, exp), without bound where one is absent. */
  readonly nbf?: number | undefined;
  readonly exp?: number | undefined;
};
export type ListedKey =
  | (SigningJwk & SaidOfKey & { readonly use: "sig"; readonly alg: SignatureAlgorithm })
  | (RequestJwk & SaidOfKey & { readonly use: "enc"; readonly alg: RequestAlgorithm });

/** Claims of a key set (RFC 7517 §5 inside a JWT): the server's present message keys. A key that is absent is retired. */
export type KeySetClaims = {
  readonly iss: string;
  readonly iat: number;
  readonly exp: number;
  /** max(previous + 1, Unix time of signing): a device never goes back. */
  readonly version: number;
  /** In the order of the service's preference. */
  readonly keys: readonly ListedKey[];
  /** What requests may be made of. Absent: `jose`, and the algorithms of the listed keys. */
  readonly accepts?: { readonly encodings: readonly string[]; readonly requestAlgorithms: readonly string[] };
};

const names = ifUsable(z.array(z.unknown()));
/** As a device reads it: what it does not know is passed over (RFC 7517 §5), so that new algorithms can be introduced. */
const claimsSchema = z.object({
  iss: z.string(),
  iat: z.int(),
  exp: z.int(),
  version: z.int().check(z.positive()),
  keys: z.array(z.unknown()),
  accepts: ifUsable(z.object({ encodings: names, requestAlgorithms: names })),
});

/** The one encoding of messages that version 1 has: compact JOSE. */
export const encoding = "jose";

/** A server key that requests are sealed to. */
export type ServerKey = { readonly kid: string; readonly alg: RequestAlgorithm; readonly jwk: RequestJwk };

export async function signKeySet(claims: KeySetClaims, signer: Signer): Promise<string> {
  return signJws(tokenTypes.keySet, claims, signer);
}

/** A verified key set, with its keys ready for use. */
export type KeySet = {
  readonly token: string;
  readonly iat: number;
  readonly exp: number;
  readonly version: number;
  /** Every key that may sign a reply. */
  readonly signingKeys: readonly SigningJwk[];
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
  trusted: { readonly serviceId: string; readonly keySetKeys: readonly SigningJwk[] },
): Promise<KeySet> {
  const jws = parseJws(tokenTypes.keySet, token);
  const prints = await Promise.all(trusted.keySetKeys.map(thumbprint));
  const key = trusted.keySetKeys.find((_, at) => prints[at] === jws.kid);
  if (!key) throw new TokenError("unknown-key", "key set kid");
  await verifyJws(jws, key);
  const claims = parseClaims(jws.payload, claimsSchema, "key set");
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
    signingKeys: keys.flatMap((key) => (key.use === "sig" ? [key.jwk] : [])),
    serverKey: (now) =>
      keys.flatMap((key) => {
        const { kid, nbf = 0, exp: end = Infinity } = key;
        const isUsable = key.use === "enc" && taken(key.alg) && nbf <= now && now < end;
        return isUsable ? [{ alg: key.alg, kid, jwk: key.jwk }] : [];
      })[0],
    lists: (kid) => keys.some((entry) => entry.kid === kid),
  };
}

const saidOfKeySchema = z.object({
  kid: thumbprintSchema,
  nbf: z.optional(z.int()),
  exp: z.optional(z.int()),
  use: z.enum(["sig", "enc"]),
  alg: z.string(),
});

type UsableKey = SaidOfKey &
  (
    | { readonly use: "sig"; readonly jwk: SigningJwk }
    | { readonly use: "enc"; readonly jwk: RequestJwk; readonly alg: RequestAlgorithm }
  );

/** A listed key that this version can use, as the bare JWK and what is said of it; undefined for any other. Its kid must be its own thumbprint. */
async function usableKey(listed: unknown): Promise<UsableKey | undefined> {
  const said = showsPrivateHalf(listed) ? undefined : saidOfKeySchema.safeParse(listed).data;
  const key = said && (said.use === "sig" ? verifier(listed, said.alg) : recipient(listed, said.alg));
  return key && (await thumbprint(key.jwk)) === said.kid ? { ...said, ...key } : undefined;
}

function verifier(listed: unknown, alg: string) {
  const jwk = bareSigningJwk(listed, alg);
  return jwk && { use: "sig" as const, jwk };
}

function recipient(listed: unknown, named: string) {
  const alg = requestAlgorithm(named);
  const jwk = alg && bareRequestJwk(listed, alg);
  return alg && jwk && { use: "enc" as const, jwk, alg };
}
