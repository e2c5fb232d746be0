import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { signKeySet } from "@sealpost/protocol/documents/key-set.ts";
import { issueDeviceCertificate } from "@sealpost/protocol/documents/certificate.ts";
import { certificateAnswerSchema, type CertificateAnswer } from "@sealpost/protocol/bootstrap.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { followTrust, signTrust } from "@sealpost/protocol/documents/trust.ts";

import { basicCredentials } from "../../device/identity/bootstrap.ts";
import { Device } from "../../device/device.ts";
import { publicJwk } from "../../device/keys/device-keys.ts";
import type { BootstrapTransport } from "../../device/ports.ts";
import { signingKey } from "../support/keys.ts";
import { present, serviceId } from "../support/service.ts";
import {
  type Bench,
  type Home,
  bootstrapped,
  issueCredential,
  journal,
  memoryHome,
  openBench,
  patient,
  toAnswer,
} from "./support/bench.ts";
import { atEveryCall } from "./support/crash.ts";

let bench: Bench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => vi.restoreAllMocks());

const bootstrap = (home: Home, credentialPackage: unknown = bench.credential) =>
  Device.bootstrap({ credentialPackage, ports: home, options: patient() });

test("ok/two requests, then an identity without the secret", async () => {
  const { device, home } = await bootstrapped(bench);
  expect(bench.posted).toEqual([
    "https://bootstrap.test/bootstrap/token",
    "https://bootstrap.test/bootstrap/certificate",
  ]);
  expect(device.status()).toMatchObject({ phase: "provisioned", serviceId });
  expect(JSON.stringify(await home.state.load())).not.toContain(bench.credential.secret);
});

test("ok/again does not touch the network", async () => {
  const { device, home } = await bootstrapped(bench);
  bench.posted.length = 0;
  const again = await bootstrap(home);
  expect(again.status().deviceId).toBe(device.status().deviceId);
  expect(bench.posted).toEqual([]);
});

describe("a power cut anywhere", () => {
  for (const strike of ["before", "after"] as const) {
    test(`ok/${strike} any call: the same keys, one device`, async () => {
      const points = await atEveryCall({
        strike,
        start: async () => {
          bench = await openBench();
          return memoryHome(bench);
        },
        run: async (home) => {
          await bootstrap(home);
        },
        check: async (home, where) => {
          const device = await Device.open({ ports: home });
          const { items } = await bench.service.store.list({
            table: "devices",
            index: "list",
            partition: ["shard", device.status().deviceId?.[0] ?? ""],
            limit: 10,
          });
          expect(items, where).toHaveLength(1);
          expect(await journal(bench, device.status().deviceId), where).toEqual(["device.certified"]);
        },
      });
      expect(points).toBeGreaterThanOrEqual(6);
    });
  }

  test("ok/keys and state are durable before the first byte is sent", async () => {
    const home = memoryHome(bench);
    const transport: BootstrapTransport = {
      connect: (ca) => ({
        ...bench.bootstrap.connect(ca),
        post: async (url, headers, body) => {
          expect(await home.keys.load("current")).not.toBeNull();
          expect(await home.state.load()).toMatchObject({ phase: "bootstrapping" });
          return bench.bootstrap.connect(ca).post(url, headers, body);
        },
      }),
    };
    await bootstrap({ ...home, bootstrap: transport });
    expect.assertions(4);
  });
});

describe("what the operator must hear", () => {
  test("fails/wrong secret: credential-refused", async () => {
    const wrong = { ...bench.credential, secret: "A".repeat(32) };
    await expect(bootstrap(memoryHome(bench), wrong)).rejects.toMatchObject({
      code: "credential-refused",
    });
  });

  test("fails/the credential was spent by other keys: certificate-conflict", async () => {
    await bootstrapped(bench);
    await expect(bootstrap(memoryHome(bench))).rejects.toMatchObject({ code: "certificate-conflict" });
  });

  test("fails/not a package: names the member, not its value", async () => {
    const failure = bootstrap(memoryHome(bench), { ...bench.credential, secret: "short-secret" });
    await expect(failure).rejects.toMatchObject({ code: "package-invalid", why: expect.stringContaining("secret") });
    await expect(failure).rejects.not.toMatchObject({ message: expect.stringContaining("short-secret") });
  });

  test("fails/http: no package names it", async () => {
    const plain = { ...bench.credential, bootstrapUrl: "http://bootstrap.test" };
    await expect(bootstrap(memoryHome(bench), plain)).rejects.toMatchObject({ code: "package-invalid" });
  });

  test("fails/a home of another service or credential", async () => {
    const { home } = await bootstrapped(bench);
    await expect(bootstrap(home, { ...bench.credential, serviceId: "other" })).rejects.toMatchObject({
      code: "other-service",
    });
    const second = await issueCredential(bench.service);
    await expect(bootstrap(home, second)).rejects.toMatchObject({ code: "already-bootstrapped" });
  });

  test("fails/keys whose state was lost are left alone", async () => {
    const { home } = await bootstrapped(bench);
    const keys = await home.keys.load("current");
    const lost = { ...home, state: memoryHome(bench).state };
    await expect(bootstrap(lost, await issueCredential(bench.service))).rejects.toMatchObject({ code: "home-broken" });
    expect(await home.keys.load("current")).toBe(keys);
  });

  test("ok/a new credential after an interrupted bootstrap starts with fresh keys", async () => {
    const home = memoryHome(bench);
    await expect(bootstrap(home, { ...bench.credential, secret: "A".repeat(32) })).rejects.toMatchObject({
      code: "credential-refused",
    });
    const before = await home.keys.load("current");
    await bootstrap(home, await issueCredential(bench.service));
    expect(await home.keys.load("current")).not.toBe(before);
  });
});

describe("an answer that does not verify", () => {
  /** A host with a valid TLS certificate that is not the service. */
  const tampered = (change: (answer: CertificateAnswer, home: Home) => Promise<Partial<CertificateAnswer>>): Home => {
    const home = memoryHome(bench);
    const bootstrapTransport: BootstrapTransport = {
      connect(ca) {
        const connection = bench.bootstrap.connect(ca);
        return {
          ...connection,
          async post(url, headers, body) {
            const answer = await connection.post(url, headers, body);
            if (!url.endsWith("/certificate")) return answer;
            const parsed = certificateAnswerSchema.parse(JSON.parse(Buffer.from(answer.body).toString()));
            return toAnswer(200, JSON.stringify({ ...parsed, ...(await change(parsed, home)) }));
          },
        };
      },
    };
    return { ...home, bootstrap: bootstrapTransport };
  };
  const reissue = async (home: Home, change: object) => {
    const keys = await home.keys.load("current");
    if (!keys) throw new Error("no keys");
    return issueDeviceCertificate({
      serviceId,
      deviceId: "00000000-0000-4000-8000-000000000000",
      signingKey: await publicJwk(keys.signing),
      encryptionKey: await publicJwk(keys.encryption),
      ca: bench.service.ca,
      caKey: bench.service.ca.jwk,
      now: new Date(present * 1000),
      ...change,
    });
  };

  const cases: Record<string, (answer: CertificateAnswer, home: Home) => Promise<Partial<CertificateAnswer>>> = {
    "a trust document by another root": async () => {
      const root = await signingKey();
      return { trust: [await signTrust({ ...bench.service.trust, root: root.jwk }, [root])] };
    },
    "a trust document that names the pinned root and is signed by another": async () => {
      const root = await signingKey();
      return { trust: [await signTrust(bench.service.trust, [root])] };
    },
    "a trust document of another service": async () => ({
      trust: [await signTrust({ ...bench.service.trust, iss: "other" }, [bench.service.root])],
    }),
    "a key set by a key that the trust document does not name": async () => {
      const other = await signingKey();
      const claims = { iss: serviceId, iat: present, exp: present + 60, version: present };
      const jwk = { ...other.jwk, kid: other.kid };
      const keys = [
        { ...jwk, use: "sig", alg: "ES256" } as const,
        { ...jwk, use: "enc", alg: "ECDH-ES+A256KW" } as const,
      ];
      return { keySet: await signKeySet({ ...claims, keys }, other) };
    },
    "another issuing certificate in the chain": async ({ chain }) => ({ chain: [chain[0] ?? "", chain[0] ?? ""] }),
    "a certificate by another CA of the same name": async ({ chain, deviceId }, home) => {
      const ca = await signingKey();
      return { chain: [await reissue(home, { ca, caKey: ca.jwk, deviceId }), chain[1] ?? ""] };
    },
    "a certificate for another device id": async ({ chain }, home) => ({
      chain: [await reissue(home, {}), chain[1] ?? ""],
    }),
    "a certificate for another encryption key": async ({ chain, deviceId }, home) => {
      const encryptionKey = (await signingKey()).jwk;
      return { chain: [await reissue(home, { encryptionKey, deviceId }), chain[1] ?? ""] };
    },
    "a certificate for another signing key": async ({ chain, deviceId }, home) => {
      const other = (await signingKey()).jwk;
      return { chain: [await reissue(home, { signingKey: other, deviceId }), chain[1] ?? ""] };
    },
    "the CA's own certificate as the device's": async ({ chain }) => ({ chain: [chain[1] ?? "", chain[1] ?? ""] }),
  };
  for (const [name, change] of Object.entries(cases)) {
    test(`fails/${name}`, async () => {
      const home = tampered(change);
      await expect(bootstrap(home)).rejects.toMatchObject({ code: "answer-not-trusted" });
      expect(await home.state.load()).toMatchObject({ phase: "bootstrapping" });
    });
  }

  test("ok/the same tampering that changes nothing passes", async () => {
    const home = tampered(async ({ chain, deviceId }, ports) => ({
      chain: [await reissue(ports, { deviceId }), chain[1] ?? ""],
    }));
    expect((await bootstrap(home)).status().phase).toBe("provisioned");
  });
});

test("ok/a device made after a change of root follows a chain that begins with roots it never knew", async () => {
  const { trust, root } = bench.service;
  const next = await signingKey();
  const second = { ...trust, version: 2, root: next.jwk };
  const chain = [await signTrust(trust, [root]), await signTrust(second, [root, next])];
  expect((await followTrust(chain, [await thumbprint(next.jwk)])).version).toBe(2);
  await expect(followTrust(chain, [(await signingKey()).kid])).rejects.toMatchObject({ code: "unknown-key" });
  const stranger = await signTrust({ ...second, version: 3 }, [await signingKey()]);
  await expect(followTrust([...chain, stranger], [await thumbprint(next.jwk)])).rejects.toMatchObject({
    code: "unknown-key",
  });
});

test("ok/client_secret_basic encodes each part as a form value before Base64", () => {
  expect(Buffer.from(basicCredentials("a b", "ü:%+/é~*"), "base64").toString()).toBe(
    "a+b:%C3%BC%3A%25%2B%2F%C3%A9%7E*",
  );
});
