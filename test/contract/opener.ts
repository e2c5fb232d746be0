import { CompactEncrypt } from "jose";
import { beforeAll, describe, expect, test } from "vitest";

import { type Jwk, importPublicKey, thumbprint } from "@sealpost/protocol/token/keys.ts";
import { rsaJwkSchema } from "@sealpost/protocol/suites/rsa-oaep-256.ts";
import { type SealedRequest, parseRequest } from "@sealpost/protocol/messages/request.ts";
import type { RequestAlgorithm } from "@sealpost/protocol/suites/suites.ts";

import type { ContentKeyOpener } from "../../functions/custody/port.ts";
import { agreementKey } from "../support/keys.ts";

/** What every custody of a decryption key must do: open what jose sealed to its public key, and refuse everything else as `decryption`. */
export function openerContract(name: string, makeOpener: () => Promise<ContentKeyOpener>): void {
  describe(`content key opener: ${name}`, () => {
    let opener: ContentKeyOpener;
    let jwk: Jwk;
    beforeAll(async () => {
      opener = await makeOpener();
      jwk = opener.jwk;
    });

    const seal = async (to: Jwk = jwk): Promise<SealedRequest> => {
      const token = await new CompactEncrypt(new TextEncoder().encode("a.b.c"))
        .setProtectedHeader({ alg: opener.alg, enc: "A256GCM", kid: await thumbprint(to), cty: "JWT" })
        .encrypt(await importPublicKey(to, opener.alg));
      return parseRequest(token);
    };
    const epkOf = ({ header }: SealedRequest) => ("epk" in header ? header.epk : undefined);
    const open = (sealed: SealedRequest) => opener.open(sealed.encryptedKey, epkOf(sealed));

    test("ok/its key id is the thumbprint of its public key", async () => {
      expect(opener.kid).toBe(await thumbprint(jwk));
    });

    test("ok/the content key of what jose sealed", async () => {
      const sealed = await seal();
      const contentKey = await open(sealed);
      expect(contentKey).toHaveLength(32);
      // The content is no token of ours; that it is read as far as this shows that it was decrypted.
      await expect(sealed.decrypt(contentKey)).rejects.toMatchObject({ code: "base64url" });
    });

    test("ok/20 at once, each its own", async () => {
      const all = await Promise.all(Array.from({ length: 20 }, () => seal()));
      const keys = await Promise.all(all.map(open));
      expect(new Set(keys.map((key) => Buffer.from(key).toString("hex"))).size).toBe(20);
    });

    const changes: [string, (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>][] = [
      ["empty", () => new Uint8Array()],
      ["one byte", () => new Uint8Array(1)],
      ["a byte less", (bytes) => bytes.slice(1)],
      ["a byte more", (bytes) => new Uint8Array([...bytes, 0])],
      ["zeros", (bytes) => new Uint8Array(bytes.length)],
      ["ones", (bytes) => new Uint8Array(bytes.length).fill(0xff)],
      ["its first bit flipped", (bytes) => bytes.map((byte, at) => (at === 0 ? byte ^ 0x80 : byte))],
      ["its last bit flipped", (bytes) => bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte))],
      ["very long", () => new Uint8Array(100_000)],
    ];
    test.each(changes)("fails/an encrypted key that is %s", async (_, change) => {
      const sealed = await seal();
      await expect(opener.open(change(sealed.encryptedKey), epkOf(sealed))).rejects.toMatchObject({
        name: "TokenError",
        code: "decryption",
      });
    });

    test("fails/what is sealed to another key of the same kind", async () => {
      const sealed = await seal(await otherKey(opener.alg));
      await expect(open(sealed)).rejects.toMatchObject({ name: "TokenError", code: "decryption" });
    });

    test("fails/an ephemeral key that is missing, foreign or off the curve", async () => {
      const sealed = await seal();
      const epk = epkOf(sealed);
      if (!epk) return;
      const foreign = (await agreementKey()).jwk;
      const off = { ...epk, y: `${epk.y.startsWith("A") ? "B" : "A"}${epk.y.slice(1)}` };
      const zero = { ...epk, x: "A".repeat(43), y: "A".repeat(43) };
      for (const wrong of [undefined, foreign, off, zero]) {
        await expect(opener.open(sealed.encryptedKey, wrong)).rejects.toMatchObject({
          name: "TokenError",
          code: "decryption",
        });
      }
    });
  });
}

async function otherKey(alg: RequestAlgorithm): Promise<Jwk> {
  if (alg === "ECDH-ES+A256KW") return (await agreementKey()).jwk;
  const algorithm = {
    name: "RSA-OAEP",
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: "SHA-256",
  };
  const { publicKey } = await crypto.subtle.generateKey(algorithm, true, ["encrypt", "decrypt"]);
  const { kty, n, e } = await crypto.subtle.exportKey("jwk", publicKey);
  return rsaJwkSchema.parse({ kty, n, e });
}
