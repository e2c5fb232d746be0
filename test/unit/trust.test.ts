import { beforeAll, describe, expect, test } from "vitest";

import type { SigningJwk } from "@sealpost/protocol/suites/suites.ts";
import { type TrustClaims, followTrust, signTrust } from "@sealpost/protocol/documents/trust.ts";

import { type SigningKey, signingKey } from "../support/keys.ts";

let root: SigningKey;
let later: SigningKey;
let standby: SigningKey;
let other: SigningKey;
let base: TrustClaims;

beforeAll(async () => {
  [root, later, standby, other] = (await Promise.all(Array.from({ length: 4 }, signingKey))) as [
    SigningKey,
    SigningKey,
    SigningKey,
    SigningKey,
  ];
  base = {
    iss: "sealpost-test",
    iat: 1_800_000_000,
    version: 1,
    root: root.jwk,
    standby: standby.jwk,
    issuingCa: "A".repeat(64),
    keySetKeys: [other.jwk],
    receiptKeys: [other.jwk],
    releaseKeys: [other.jwk],
    releaseThreshold: 1,
    messageUrls: ["http://messages.test"],
  };
});

const document = (version: number, by: SigningKey, signers: readonly SigningKey[], more: Partial<TrustClaims> = {}) =>
  signTrust({ ...base, version, root: by.jwk, ...more }, signers);
const pins = () => [root.kid, standby.kid];
const rootOf = async (claims: Promise<TrustClaims>): Promise<SigningJwk> => (await claims).root;

describe("trust chain", () => {
  test("ok/a root change signed by both", async () => {
    const chain = [await document(1, root, [root]), await document(2, later, [root, later])];
    expect(await rootOf(followTrust(chain, pins()))).toEqual(later.jwk);
  });

  test("ok/a root change signed by the standby alone", async () => {
    const chain = [await document(1, root, [root]), await document(2, later, [standby])];
    expect(await rootOf(followTrust(chain, pins()))).toEqual(later.jwk);
  });

  test("ok/a device that pins the later root begins with the document that brought it", async () => {
    const chain = [
      await document(1, root, [root]),
      await document(2, later, [root, later]),
      await document(3, later, [later]),
    ];
    expect(await followTrust(chain, [later.kid, standby.kid])).toMatchObject({ version: 3, root: later.jwk });
  });

  test("ok/documents that are not newer are passed over", async () => {
    const from = await followTrust([await document(3, root, [root])], pins());
    expect(await followTrust([await document(2, later, [other])], pins(), from)).toEqual(from);
  });

  const refused: [string, () => Promise<{ chain: Awaited<ReturnType<typeof document>>[]; code: string }>][] = [
    ["the old root alone", async () => ({ chain: [await document(2, later, [root])], code: "unknown-key" })],
    ["the new root alone", async () => ({ chain: [await document(2, later, [later])], code: "unknown-key" })],
    ["a stranger", async () => ({ chain: [await document(2, root, [other])], code: "unknown-key" })],
    [
      "a standby of its own",
      async () => ({ chain: [await document(2, root, [other], { standby: other.jwk })], code: "unknown-key" }),
    ],
    ["another service", async () => ({ chain: [await document(2, root, [root], { iss: "another" })], code: "issuer" })],
  ];
  test.each(refused)("fails/signed by %s", async (_, make) => {
    const { chain, code } = await make();
    const full = [await document(1, root, [root]), ...chain];
    await expect(followTrust(full, pins())).rejects.toMatchObject({ code });
  });

  test("fails/no document of a pinned root", async () => {
    await expect(followTrust([await document(1, other, [other])], pins())).rejects.toMatchObject({
      code: "unknown-key",
    });
    await expect(followTrust([], pins())).rejects.toMatchObject({ code: "unknown-key" });
  });

  test("fails/the standby's pin does not make it the root", async () => {
    await expect(followTrust([await document(1, root, [root])], [standby.kid])).rejects.toMatchObject({
      code: "unknown-key",
    });
  });
});
