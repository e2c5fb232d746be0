import { beforeEach, describe, expect, test } from "vitest";

import { certificateKey } from "@sealpost/protocol/documents/x509.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";

import type { MessagePorts } from "../../functions/receive/ports.ts";
import { rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, startService } from "../support/service.ts";
import { type Speaker, type SpeakerKeys, actionsOf, itemsOf, newKeys, speaker, stored } from "./speaker.ts";

let service: TestService;
let old: Speaker;
let next: Speaker;
let nextKeys: SpeakerKeys;

beforeEach(async () => {
  service = await startService();
  const device = await rawDevice(service);
  old = await speaker(service, device.deviceId, { signing: device.signer, encryption: device.encryption });
  nextKeys = await newKeys();
  next = await speaker(service, device.deviceId, nextKeys);
  await old.exchange(old.claims("register", registration, { seq: 1 }));
});

const keysOf = async () => {
  const { keys, previousKeys } = (await stored(service, old.deviceId)).identity;
  return {
    present: await thumbprint(keys.signingKey),
    previous: previousKeys && (await thumbprint(previousKeys.signingKey)),
  };
};
const register = (by: Speaker, seq: number) => by.claims("register", registration, { seq });

/** The service as one slow function sees it: before its next write, something else happens. */
const overtaken = (meanwhile: () => Promise<unknown>): MessagePorts => {
  let pending: (() => Promise<unknown>) | undefined = meanwhile;
  return {
    ...service.messages,
    store: {
      ...service.store,
      write: async (puts) => {
        const happens = pending;
        pending = undefined;
        await happens?.();
        return service.store.write(puts);
      },
    },
  };
};

describe("renewal", () => {
  test("ok/a certificate over the new key, and both keys until the new one speaks", async () => {
    const reply = await old.exchange(old.claims("renew", await old.renewal(nextKeys), { seq: 2 }));
    expect(reply.status).toBe("ok");
    const certificate = String(reply.status === "ok" ? reply.body["certificate"] : "");
    expect(await thumbprint(await certificateKey(certificate))).toBe(nextKeys.signing.kid);
    expect(await keysOf()).toEqual({ present: nextKeys.signing.kid, previous: old.keys.signing.kid });
    expect((await old.exchange(register(old, 3))).status).toBe("ok");
    expect(await keysOf()).toMatchObject({ previous: old.keys.signing.kid });
    expect(await actionsOf(service, old.deviceId)).toContain("device.renewed");
  });

  test("fails/the old key once the new one has spoken", async () => {
    await old.exchange(old.claims("renew", await old.renewal(nextKeys), { seq: 2 }));
    expect((await next.exchange(register(next, 3))).status).toBe("ok");
    expect(await keysOf()).toEqual({ present: nextKeys.signing.kid, previous: undefined });
    expect(await old.answer(register(old, 4))).toMatchObject({ kind: "problem", log: { reason: "signature" } });
  });

  test("ok/the same message again, under either key, has the same certificate", async () => {
    const claims = old.claims("renew", await old.renewal(nextKeys), { seq: 2 });
    const first = await old.exchange(claims);
    const again = await old.exchange(claims);
    const underNew = await next.exchange({ ...claims, replyKey: await thumbprint(nextKeys.encryption.jwk) });
    expect(again.body).toEqual(first.body);
    expect(underNew.body).toEqual(first.body);
    expect((await actionsOf(service, old.deviceId)).filter((action) => action === "device.renewed")).toHaveLength(1);
  });

  test("ok/a key already present succeeds with the certificate it has", async () => {
    const body = await old.renewal(nextKeys);
    const first = await old.exchange(old.claims("renew", body, { seq: 2 }));
    const again = await next.exchange(next.claims("renew", body, { seq: 3 }));
    expect(again).toMatchObject({ status: "ok", body: first.body });
    expect((await actionsOf(service, old.deviceId)).filter((action) => action === "device.renewed")).toHaveLength(1);
  });

  test("ok/the old key may renew again while the new one is silent", async () => {
    const third = await newKeys();
    await old.exchange(old.claims("renew", await old.renewal(nextKeys), { seq: 2 }));
    await old.exchange(old.claims("renew", await old.renewal(third), { seq: 3 }));
    expect(await keysOf()).toEqual({ present: third.signing.kid, previous: old.keys.signing.kid });
    expect((await next.answer(register(next, 4))).kind).toBe("problem");
  });

  test("fails/a renewal older than the last one applied is superseded", async () => {
    const late = old.claims("renew", await old.renewal(await newKeys()), { seq: 2, ack: 1 });
    await old.exchange(old.claims("renew", await old.renewal(nextKeys), { seq: 3, ack: 1 }));
    expect(await old.exchange(late)).toMatchObject({ status: "superseded", body: { retry: false } });
    expect(await keysOf()).toMatchObject({ present: nextKeys.signing.kid });
  });

  const proofs: [string, () => Promise<object>][] = [
    ["names another device", async () => old.renewal(nextKeys, crypto.randomUUID())],
    [
      "is bound to another encryption key",
      async () => ({ ...(await old.renewal(nextKeys)), encryptionKey: (await newKeys()).encryption.jwk }),
    ],
    [
      "uses one key for two purposes",
      async () => {
        const { pair, jwk } = nextKeys.signing;
        const agreement = await crypto.subtle.importKey(
          "jwk",
          { ...jwk },
          { name: "ECDH", namedCurve: "P-256" },
          true,
          [],
        );
        const both = { ...nextKeys, encryption: { jwk, pair: { publicKey: agreement, privateKey: pair.privateKey } } };
        return old.renewal(both);
      },
    ],
    ["is not DER", async () => ({ ...(await old.renewal(nextKeys)), csr: "A".repeat(64) })],
    [
      "certifies an encryption key that is no point of the curve",
      async () => {
        const { jwk } = nextKeys.encryption;
        const bent = { ...jwk, y: `${jwk.y.startsWith("A") ? "B" : "A"}${jwk.y.slice(1)}` };
        return { ...(await bentRenewal(bent)), encryptionKey: bent };
      },
    ],
  ];
  test.each(proofs)("fails/a proof that %s", async (_, body) => {
    const claims = old.claims("renew", await body(), { seq: 2 });
    expect(await old.exchange(claims)).toMatchObject({
      status: "invalid-proof",
      body: { field: "body.csr", retry: false },
    });
    expect(await keysOf()).toEqual({ present: old.keys.signing.kid, previous: undefined });
  });

  /** A request whose alternative name is truly that of the bent key. */
  async function bentRenewal(jwk: typeof nextKeys.encryption.jwk) {
    const { certificateRequestFor } = await import("./certificate-request-for.ts");
    return { csr: await certificateRequestFor(nextKeys.signing, jwk, old.deviceId) };
  }

  test("ok/of all that is stored, only the identity holds the certificate", async () => {
    const reply = await old.exchange(old.claims("renew", await old.renewal(nextKeys), { seq: 2 }));
    await old.exchange(old.claims("renew", await old.renewal(nextKeys), { seq: 3, ack: 1 }));
    const certificate = String(reply.status === "ok" ? reply.body["certificate"] : "");
    const [identity, window] = await itemsOf(service, old.deviceId);
    expect(identity).toMatchObject({ certificate });
    expect(window).toMatchObject({ results: { 2: { renewalSeq: 2 }, 3: { renewalSeq: 2 } } });
  });

  test("ok/a repeat after the device moved on to other keys has no content", async () => {
    const claims = old.claims("renew", await old.renewal(nextKeys), { seq: 2 });
    await old.exchange(claims);
    await old.exchange(old.claims("renew", await old.renewal(await newKeys()), { seq: 3, ack: 1 }));
    expect(await old.exchange(claims)).toMatchObject({ status: "ok", body: {} });
    expect((await old.exchange(claims)).body).toEqual({});
  });

  describe("to a key that is not new", () => {
    const reused: [string, () => Promise<SpeakerKeys>][] = [
      ["its two keys in each other's role", async () => swapped(nextKeys)],
      ["its signing key and another", async () => ({ ...nextKeys, encryption: (await newKeys()).encryption })],
      ["its encryption key and another", async () => ({ ...nextKeys, signing: (await newKeys()).signing })],
      ["the two keys before", async () => old.keys],
      ["the signing key before", async () => ({ ...(await newKeys()), signing: old.keys.signing })],
      ["the encryption key before", async () => ({ ...(await newKeys()), encryption: old.keys.encryption })],
      ["its signing key and the encryption key before", async () => ({ ...nextKeys, encryption: old.keys.encryption })],
    ];
    test.each(reused)("fails/%s", async (_, keys) => {
      await old.exchange(old.claims("renew", await old.renewal(nextKeys), { seq: 2 }));
      const again = await old.exchange(old.claims("renew", await old.renewal(await keys()), { seq: 3 }));
      expect(again).toMatchObject({ status: "invalid-proof", body: { field: "body" } });
      expect(await keysOf()).toEqual({ present: nextKeys.signing.kid, previous: old.keys.signing.kid });
    });

    /** The same two key pairs, each used as the other. */
    async function swapped({ signing, encryption }: SpeakerKeys): Promise<SpeakerKeys> {
      const jwkOf = (key: CryptoKey) => crypto.subtle.exportKey("jwk", key);
      const as = async (name: "ECDSA" | "ECDH", pair: CryptoKeyPair): Promise<CryptoKeyPair> => {
        const algorithm = { name, namedCurve: "P-256" };
        const { key_ops: _, ...jwk } = await jwkOf(pair.privateKey);
        const { d: __, ...open } = jwk;
        return {
          privateKey: await crypto.subtle.importKey("jwk", jwk, algorithm, true, [
            name === "ECDH" ? "deriveBits" : "sign",
          ]),
          publicKey: await crypto.subtle.importKey("jwk", open, algorithm, true, name === "ECDH" ? [] : ["verify"]),
        };
      };
      return {
        signing: { ...signing, jwk: encryption.jwk, pair: await as("ECDSA", encryption.pair) },
        encryption: { jwk: signing.jwk, pair: await as("ECDH", signing.pair) },
      };
    }
  });

  test("fails/a body with an unknown member", async () => {
    const body = { ...(await old.renewal(nextKeys)), extra: 1 };
    expect(await old.exchange(old.claims("renew", body, { seq: 2 }))).toMatchObject({
      status: "malformed",
      body: { field: "body.(unknown member)" },
    });
  });
});

describe("renewal overtaken", () => {
  test("ok/a message of the present key that lost to a renewal does not undo it", async () => {
    const third = await newKeys();
    await old.exchange(old.claims("renew", await old.renewal(nextKeys), { seq: 2 }));
    const renewAgain = next.claims("renew", await next.renewal(third), { seq: 4, ack: 2 });
    const slow = overtaken(() => next.exchange(renewAgain));
    await next.answer(next.claims("register", registration, { seq: 3, ack: 2 }), { ports: slow });
    expect((await keysOf()).present).toBe(third.signing.kid);
    const after = await speaker(service, old.deviceId, third);
    expect((await after.exchange(register(after, 5))).status).toBe("ok");
  });

  test("fails/a message of a key that ended while it was under way", async () => {
    await old.exchange(old.claims("renew", await old.renewal(nextKeys), { seq: 2 }));
    const slow = overtaken(() => next.exchange(register(next, 3)));
    const stolen = await newKeys();
    const late = await old.answer(old.claims("renew", await old.renewal(stolen), { seq: 4, ack: 2 }), { ports: slow });
    expect(late).toMatchObject({ kind: "problem", body: { code: "not-accepted" }, log: { reason: "signature" } });
    expect(await keysOf()).toEqual({ present: nextKeys.signing.kid, previous: undefined });
  });

  test("ok/any authentic message under the new key ends the old, one that is refused for now too", async () => {
    await old.exchange(old.claims("renew", await old.renewal(nextKeys), { seq: 2 }));
    const tooFar = await next.exchange(next.claims("register", registration, { seq: 900, ack: 2 }));
    expect(tooFar.status).toBe("too-far-ahead");
    expect(await keysOf()).toEqual({ present: nextKeys.signing.kid, previous: undefined });
  });

  // Two items are read in one call, not in one instant: the window item alone does not say that the identity beside it is of its time.
  test("fails/a message of a key that ended between the reads of the device's two items", async () => {
    await old.exchange(old.claims("renew", await old.renewal(nextKeys), { seq: 2 }));
    let pending: (() => Promise<unknown>) | undefined = () => next.exchange(register(next, 3));
    const torn: MessagePorts = {
      ...service.messages,
      store: {
        ...service.store,
        read: async (keys) => {
          const before = await service.store.read(keys);
          const happens = pending;
          pending = undefined;
          await happens?.();
          const after = await service.store.read(keys);
          return keys.map(({ key }, at) => (key["item"] === "identity" && happens ? before[at] : after[at]));
        },
      },
    };
    const check = old.claims("firmware.check", { firmware: registration.firmware }, { seq: 4, ack: 2 });
    expect((await old.answer(check, { ports: torn })).kind).toBe("problem");
  });
});
