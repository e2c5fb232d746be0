import * as z from "zod/mini";

import { ecdhEsA256kw } from "./ecdh-es-a256kw.ts";
import { ecdhEs } from "./ecdh-es.ts";
import { es256 } from "./es256.ts";
import { rsaOaep256 } from "./rsa-oaep-256.ts";

/**
 * The algorithms of the protocol, a file for each; nothing outside of this folder switches on names. The key decides which row applies, and a header is
 * only ever compared with it.
 */

/** How everything that is signed is signed. */
export const signatureSuites = [es256] as const;
/** How a request's content key reaches the service. */
export const requestSuites = [rsaOaep256, ecdhEsA256kw] as const;
/** How a reply's content key reaches the device. */
export const replySuites = [ecdhEs] as const;

export type SignatureSuite = (typeof signatureSuites)[number];
export type SignatureAlgorithm = SignatureSuite["alg"];
export type RequestAlgorithm = (typeof requestSuites)[number]["alg"];
export type ReplyAlgorithm = (typeof replySuites)[number]["alg"];

/** A public key that signatures are verified with: exactly the members that its thumbprint covers. */
export const signingJwkSchema = z.union(signatureSuites.map(({ jwk }) => jwk));
export type SigningJwk = z.infer<typeof signingJwkSchema>;
/** A device's certified public key, that replies are sealed to. */
export const encryptionJwkSchema = z.union(replySuites.map(({ jwk }) => jwk));
export type EncryptionJwk = z.infer<typeof encryptionJwkSchema>;
/** A public key for the reply to one request. */
export const oneTimeJwkSchema = z.union(replySuites.map(({ oneTimeJwk }) => oneTimeJwk));
export type OneTimeJwk = z.infer<typeof oneTimeJwkSchema>;
/** A public key of the service, that requests are sealed to. */
export type RequestJwk = z.infer<(typeof requestSuites)[number]["jwk"]>;

/** Protected header of a request. */
export const requestHeaderSchema = z.union(requestSuites.map(({ header }) => header));
export type RequestHeader = z.infer<typeof requestHeaderSchema>;

/** The suite of a key that signs; the key alone decides. */
export function signatureSuiteOf(jwk: SigningJwk): SignatureSuite {
  const suite = signatureSuites.find((row) => row.jwk.safeParse(jwk).success);
  if (!suite) throw new TypeError("a key of no suite");
  return suite;
}

/**
 * The public members of a key that may sign, alone; undefined for a key of no suite. Whatever else a JWK carries is left behind.
 * @param alg where it is known
 */
export function bareSigningJwk(jwk: unknown, alg?: string): SigningJwk | undefined {
  const suites = signatureSuites.filter((suite) => alg === undefined || suite.alg === alg);
  return firstOf(suites.map((suite) => z.object(suite.jwk.shape).safeParse(jwk).data));
}

/** @throws TypeError for a key of no suite */
export function toSigningJwk(jwk: unknown): SigningJwk {
  const bare = bareSigningJwk(jwk);
  if (!bare) throw new TypeError("a key of no suite");
  return bare;
}

/** The same of a service key of a given algorithm. */
export function bareRequestJwk(jwk: unknown, alg: RequestAlgorithm): RequestJwk | undefined {
  const suites = requestSuites.filter((suite) => suite.alg === alg);
  return firstOf(suites.map((suite) => z.object(suite.jwk.shape).safeParse(jwk).data));
}

/** The name as one of ours. */
export function requestAlgorithm(name: string): RequestAlgorithm | undefined {
  return requestSuites.find(({ alg }) => alg === name)?.alg;
}

function firstOf<T>(found: readonly (T | undefined)[]): T | undefined {
  return found.find((value) => value !== undefined);
}

/** The suite of the key that a reply is sealed to. */
export function replySuiteOf(key: { readonly alg?: ReplyAlgorithm } | EncryptionJwk): (typeof replySuites)[number] {
  return ("alg" in key && replySuites.find(({ alg }) => alg === key.alg)) || ecdhEs;
}
