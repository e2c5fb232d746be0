import { describe, expect, test } from "vitest";

import { Device, fetchMessageTransport, memoryKeyStore, memoryStateStore } from "../../device/index.ts";
import { httpsBootstrapTransport } from "../../device/node.ts";
import type { BootstrapTransport } from "../../device/index.ts";
import { bootstrapped, credentialPackage, journalOf, operator, registration, stack } from "./world.ts";

const options = { via: stack.messageUrl, maxWaitSeconds: 30 };
const newPorts = () => ({ keys: memoryKeyStore(), state: memoryStateStore(), messages: fetchMessageTransport() });

/** The real transport, whose n-th answer never arrives: the service did its work, and the connection is gone. */
function losing(lost: number): BootstrapTransport & { readonly posts: () => number } {
  let posts = 0;
  const real = httpsBootstrapTransport();
  return {
    posts: () => posts,
    connect(ca) {
      const connection = real.connect(ca);
      return {
        ...connection,
        async post(...request) {
          posts += 1;
          const answer = await connection.post(...request);
          if (posts === lost) throw new Error("the answer was lost");
          return answer;
        },
      };
    },
  };
}

describe("an answer lost in bootstrap", () => {
  for (const [lost, what] of [
    [1, "first token"],
    [2, "certificate"],
  ] as const) {
    test(`ok/${what}: called again it completes with the same keys, as one device`, async () => {
      const credential = await credentialPackage();
      const ports = newPorts();
      const bootstrap = losing(lost);
      const once = Device.bootstrap({ credentialPackage: credential, ports: { ...ports, bootstrap }, options });
      await expect(once).rejects.toThrow("lost");
      expect(bootstrap.posts()).toBe(lost);
      const keys = await ports.keys.load("current");
      const device = await Device.bootstrap({
        credentialPackage: credential,
        ports: { ...ports, bootstrap: httpsBootstrapTransport() },
        options,
      });
      expect(await ports.keys.load("current")).toBe(keys);
      const { deviceId } = device.status();
      expect((await journalOf(deviceId ?? "")).map(({ action }) => action)).toEqual(["device.certified"]);
      expect(await device.register(registration)).toEqual({ pollSeconds: 3_600 });
    });
  }
});

describe("a credential is used once", () => {
  const attempt = async (credential: Record<string, unknown>) =>
    Device.bootstrap({
      credentialPackage: credential,
      ports: { ...newPorts(), bootstrap: httpsBootstrapTransport() },
      options,
    });

  test("fails/by a second device before the first has spoken", async () => {
    const credential = await credentialPackage();
    await bootstrapped(Promise.resolve(credential));
    await expect(attempt(credential)).rejects.toMatchObject({ code: "certificate-conflict" });
  });

  test("fails/by a second device after the first has spoken", async () => {
    const credential = await credentialPackage();
    const { device } = await bootstrapped(Promise.resolve(credential));
    await device.register(registration);
    await expect(attempt(credential)).rejects.toMatchObject({ code: "credential-refused" });
  });

  test("fails/after the operator revoked it", async () => {
    const credential = await credentialPackage();
    await operator("credential", "revoke", String(credential["credentialId"]));
    await expect(attempt(credential)).rejects.toMatchObject({ code: "credential-refused" });
  });

  test("fails/with a wrong secret, told the same way", async () => {
    const credential = { ...(await credentialPackage()), secret: "A".repeat(43) };
    await expect(attempt(credential)).rejects.toMatchObject({ code: "credential-refused" });
  });

  test("fails/against a host that the package does not vouch for", async () => {
    const { ca: _, ...credential } = await credentialPackage();
    await expect(attempt(credential)).rejects.toMatchObject({ code: "tls-not-trusted" });
  });

  test("fails/against a service whose root is not the pinned one", async () => {
    const credential = { ...(await credentialPackage()), roots: ["A".repeat(43)] };
    await expect(attempt(credential)).rejects.toMatchObject({ code: "answer-not-trusted" });
  });
});
