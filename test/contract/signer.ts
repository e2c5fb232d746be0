import { beforeAll, describe, expect, test } from "vitest";

import { type Signer, parseJws, signJws, tokenTypes, verifyJws } from "@sealpost/protocol/token/jws.ts";
import { importPublicKey, thumbprint } from "@sealpost/protocol/token/keys.ts";
import { type SigningJwk } from "@sealpost/protocol/suites/suites.ts";

import { signingKey } from "../support/keys.ts";

/** What every signer must do, wherever its private key is. */
export function signerContract(name: string, makeSigner: () => Promise<Signer & { readonly jwk: SigningJwk }>): void {
  describe(`signer: ${name}`, () => {
    let signer: Signer & { readonly jwk: SigningJwk };
    beforeAll(async () => {
      signer = await makeSigner();
    });

    const verify = async (signature: Uint8Array, data: Uint8Array<ArrayBuffer>, jwk: SigningJwk = signer.jwk) =>
      crypto.subtle.verify(
        { name: "ECDSA", hash: "SHA-256" },
        await importPublicKey(jwk, "ES256"),
        new Uint8Array(signature),
        data,
      );

    test("ok/its key id is the thumbprint of its public key", async () => {
      expect(signer.kid).toBe(await thumbprint(signer.jwk));
    });

    // 4,096 bytes are the most that KMS takes as a message.
    test.each([0, 1, 32, 4_096, 4_097, 100_000])("ok/%i bytes of data, a raw signature of 64", async (length) => {
      const data = new Uint8Array(length).fill(7);
      const signature = await signer.sign(data);
      expect(signature).toHaveLength(64);
      expect(await verify(signature, data)).toBe(true);
    });

    test("ok/20 at once, each its own", async () => {
      const texts = Array.from({ length: 20 }, (_, n) => new TextEncoder().encode(`text ${n}`));
      const signatures = await Promise.all(texts.map((text) => signer.sign(text)));
      const verified = await Promise.all(texts.map((text, n) => verify(signatures[n] ?? new Uint8Array(), text)));
      expect(verified.every(Boolean)).toBe(true);
    });

    test("ok/a signed token", async () => {
      const jws = parseJws(tokenTypes.receipt, await signJws(tokenTypes.receipt, { a: 1 }, signer));
      expect(jws.kid).toBe(signer.kid);
      await expect(verifyJws(jws, signer.jwk)).resolves.toBeUndefined();
      await expect(verifyJws(jws, (await signingKey()).jwk)).rejects.toMatchObject({ code: "signature" });
    });

    test("fails/other data, and another key", async () => {
      const data = new TextEncoder().encode("data");
      const signature = await signer.sign(data);
      expect(await verify(signature, new TextEncoder().encode("Data"))).toBe(false);
      expect(await verify(signature, data, (await signingKey()).jwk)).toBe(false);
    });
  });
}
