import { type KeyObject, createPublicKey } from "node:crypto";

import { p256JwkSchema } from "@sealpost/protocol/suites/p256.ts";
import type { Jwk } from "@sealpost/protocol/token/keys.ts";

/** Keys of devices and services that were met last: OpenSSL checks a point anew with each import, which costs as much as a verification. */
const lasting = new Map<string, KeyObject>();
const mostLasting = 1_000;

/** Keys for one reply, as long as their message is at hand. There is a new one with each, so among the lasting keys they would push out the devices'. */
const oneTime = new WeakMap<Jwk, KeyObject>();

/**
 * A public P-256 key, imported once while it is remembered.
 * @param jwk one with `alg` is for one reply (`oneTimeJwkSchema`), and remembered by object alone
 * @throws for a point off the curve
 */
export function publicKey(jwk: Jwk): KeyObject {
  return "alg" in jwk ? oneTimeKey(jwk) : lastingKey(jwk);
}

function oneTimeKey(jwk: Jwk): KeyObject {
  const key = oneTime.get(jwk) ?? importKey(jwk);
  oneTime.set(jwk, key);
  return key;
}

function lastingKey(jwk: Jwk): KeyObject {
  const name = `${String(jwk["crv"])} ${String(jwk["x"])} ${String(jwk["y"])}`;
  const key = lasting.get(name) ?? importKey(jwk);
  // Those that were used last are at the end, so the first is the one to leave.
  lasting.delete(name);
  lasting.set(name, key);
  const [first] = lasting.keys();
  if (lasting.size > mostLasting && first !== undefined) lasting.delete(first);
  return key;
}

function importKey({ kty, crv, x, y }: Jwk): KeyObject {
  return createPublicKey({ key: p256JwkSchema.parse({ kty, crv, x, y }), format: "jwk" });
}
