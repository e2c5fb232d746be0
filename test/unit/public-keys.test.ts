import { expect, test } from "vitest";

import { generateKeyPairSync } from "node:crypto";

import { p256JwkSchema } from "@sealpost/protocol/suites/p256.ts";

import { publicKey } from "../../functions/engine/public-keys.ts";

const freshJwk = () =>
  p256JwkSchema.parse(generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" }));

test("ok/a device's key stays through any number of keys for one reply", () => {
  const jwk = freshJwk();
  const key = publicKey(jwk);
  for (let n = 0; n < 1_100; n += 1) publicKey({ ...freshJwk(), alg: "ECDH-ES" });
  expect(publicKey({ ...jwk })).toBe(key);
});

test("ok/a device's key that is in use stays through those of others", () => {
  const [jwk, idle] = [freshJwk(), freshJwk()];
  const [key, idleKey] = [publicKey(jwk), publicKey(idle)];
  for (let n = 0; n < 1_100; n += 1) {
    publicKey(freshJwk());
    expect(publicKey(jwk)).toBe(key);
  }
  expect(publicKey(idle)).not.toBe(idleKey);
});

test("ok/a key for one reply is imported once for its message", () => {
  const jwk = { ...freshJwk(), alg: "ECDH-ES" };
  expect(publicKey(jwk)).toBe(publicKey(jwk));
  expect(publicKey({ ...jwk })).not.toBe(publicKey(jwk));
});
