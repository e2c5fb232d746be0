import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { openReceipt } from "@sealpost/protocol/documents/receipt.ts";
import { signReceipt } from "@sealpost/protocol/documents/receipt.ts";

import { memoryReadingSpool } from "../../device/adapters/memory-reading-spool.ts";
import { Device } from "../../device/device.ts";
import { thumbprints } from "../../device/keys/device-keys.ts";
import type { ReadingSpool } from "../../device/ports.ts";
import type { Enrolled } from "../../device/state/state.ts";
import { devicePuts } from "../../functions/registry/device.ts";
import { signingKey } from "../support/keys.ts";
import {
  type Bench,
  type Home,
  bootstrapped,
  issueCredential,
  journal,
  memoryHome,
  openBench,
  patient,
  profile,
  registryEntry,
  setStatus,
} from "./support/bench.ts";
import { atEveryCall } from "./support/crash.ts";
import { rotate } from "./support/rotate.ts";

let bench: Bench;
let device: Device;
let home: Home;

async function start(): Promise<Home> {
  bench = await openBench();
  ({ device, home } = await bootstrapped(bench));
  await device.register(profile);
  return home;
}
beforeEach(start);
afterEach(() => vi.restoreAllMocks());

const signingKeyOf = async (ports: Home) => {
  const keys = await ports.keys.load("current");
  return keys ? (await thumbprints(keys)).signingKey : null;
};

describe("renewal", () => {
  test("ok/new keys, the old ones gone, and the next message ends them at the service", async () => {
    const before = await signingKeyOf(home);
    await device.renewKeys();
    const after = await signingKeyOf(home);
    expect(after).not.toBe(before);
    expect(device.status().signingKey).toBe(after);
    expect(await home.keys.load("next")).toBeNull();
    expect((await registryEntry(bench, device.status().deviceId))?.identity.previousKeys).toBeDefined();
    await device.checkFirmware();
    expect((await registryEntry(bench, device.status().deviceId))?.identity.previousKeys).toBeUndefined();
  });

  for (const strike of ["before", "after"] as const) {
    test(`ok/a power cut ${strike} any call: one renewal with one candidate`, async () => {
      const points = await atEveryCall({
        strike,
        start,
        run: async (ports) => {
          const cell = await Device.open({ ports, options: patient() });
          const done = (await journal(bench, cell.status().deviceId)).includes("device.renewed");
          if (!done || cell.status().pending?.some(({ operation }) => operation === "renew")) await cell.renewKeys();
          await cell.checkFirmware();
        },
        check: async (ports, where) => {
          const reopened = await Device.open({ ports });
          const { deviceId } = reopened.status();
          expect(
            (await journal(bench, deviceId)).filter((act) => act === "device.renewed"),
            where,
          ).toHaveLength(1);
          expect(await ports.keys.load("next"), where).toBeNull();
          expect(await signingKeyOf(ports), where).toBe(reopened.status().signingKey);
        },
      });
      expect(points).toBeGreaterThanOrEqual(8);
    });
  }

  test("ok/the renewal was applied and the old key ended, though its reply never arrived", async () => {
    let posts = 0;
    const lossy = await Device.open({
      ports: {
        ...home,
        messages: {
          ...home.messages,
          async post(url, token) {
            posts += 1;
            const answer = await home.messages.post(url, token);
            // The first arrives under the old key; the second, under the new, ends the old one. Both replies are lost.
            if (posts <= 2) throw new Error("lost");
            return answer;
          },
        },
      },
      options: patient(),
    });
    await lossy.renewKeys();
    expect(posts).toBe(4);
    expect((await journal(bench, lossy.status().deviceId)).filter((act) => act === "device.renewed")).toHaveLength(1);
    await lossy.checkFirmware();
  });

  test("ok/certified by a CA that only a newer trust document names", async () => {
    const { issueCaCertificate } = await import("@sealpost/protocol/documents/certificate.ts");
    const { serviceId, present } = await import("../support/service.ts");
    const ca = await signingKey();
    const issuingCa = await issueCaCertificate({
      serviceId,
      caKey: ca.jwk,
      root: bench.service.root,
      rootKey: bench.service.root.jwk,
      now: new Date(present * 1000),
    });
    const { presentOpener } = await import("./support/rotate.ts");
    await rotate(bench, { issuingCa }, { opener: presentOpener(bench), replyKey: bench.service.replyKey });
    // The message keys stay, so nothing before the certificate prompts the fetch.
    const { renewal } = await import("../../functions/exchanges/renewal.ts");
    Object.assign(bench.service.messages.exchanges, {
      renew: renewal({ serviceId, ca: async () => ca }),
    });
    await device.renewKeys();
    expect(device.status()).toMatchObject({ trustVersion: 2, signingKey: await signingKeyOf(home) });
  });
});

describe("a state that was put back from before a renewal, though its keys were not", () => {
  const putBack = async (when: (renewed: Device) => Promise<unknown>) => {
    const before = structuredClone(await home.state.load());
    await when(device);
    await home.state.save(before as object);
    return Device.open({ ports: home, options: patient() });
  };

  test("ok/the keys in the store count, and the next verb asks for their certificate", async () => {
    const back = await putBack((renewing) => renewing.renewKeys());
    const present = await signingKeyOf(home);
    expect(back.status().signingKey).toBe(present);
    await back.checkFirmware();
    expect(await home.state.load()).toMatchObject({ signingKey: present, queue: { pending: [] } });
    expect((await journal(bench, back.status().deviceId)).filter((act) => act === "device.renewed")).toHaveLength(1);
    await back.renewKeys();
    expect(back.status().signingKey).not.toBe(present);
  });

  test("ok/it can leave, and its keys are erased", async () => {
    const back = await putBack((renewing) => renewing.renewKeys());
    await back.deregister();
    expect(back.status().phase).toBe("deregistered");
    expect(await home.keys.load("current")).toBeNull();
  });

  test("ok/put back with the renewal still pending", async () => {
    const cut = await Device.open({
      ports: { ...home, messages: { ...home.messages, post: async () => Promise.reject(new Error("cut")) } },
      options: { ...patient(), maxWaitSeconds: 0 },
    });
    await expect(cut.renewKeys()).rejects.toMatchObject({ code: "no-answer" });
    device = await Device.open({ ports: home, options: patient() });
    const back = await putBack((renewing) => renewing.renewKeys());
    await back.checkFirmware();
    expect(await home.state.load()).toMatchObject({ signingKey: await signingKeyOf(home), queue: { pending: [] } });
  });

  test("fails/revoked meanwhile: that is what is said, once", async () => {
    const back = await putBack(async (renewing) => {
      await renewing.renewKeys();
      await setStatus(bench, renewing.status().deviceId, "revoked");
    });
    await expect(back.checkFirmware()).rejects.toMatchObject({ code: "revoked" });
  });
});

describe("de-registration", () => {
  test("ok/receipt verified, keys erased, receipt kept", async () => {
    const state = (await home.state.load()) as Enrolled;
    const { receipt } = await device.deregister({ reason: "replaced" });
    const { deviceId: sub, signingKey: signing, encryptionKey } = state;
    await openReceipt(receipt, state.trust, { sub, signingKey: signing, encryptionKey });
    expect(await home.keys.load("current")).toBeNull();
    expect(device.status()).toMatchObject({ phase: "deregistered", receipt });
    expect(await device.deregister()).toEqual({ receipt, unsent: 0 });
    const reopened = await Device.open({ ports: home });
    expect(await reopened.deregister()).toEqual({ receipt, unsent: 0 });
    await expect(reopened.checkFirmware()).rejects.toMatchObject({ code: "deregistered" });
    await expect(Device.bootstrap({ credentialPackage: bench.credential, ports: home })).rejects.toMatchObject({
      code: "deregistered",
    });
  });

  for (const strike of ["before", "after"] as const) {
    test(`ok/a power cut ${strike} any call`, async () => {
      const points = await atEveryCall({
        strike,
        start,
        run: async (ports) => {
          await (await Device.open({ ports, options: patient() })).deregister();
        },
        check: async (ports, where) => {
          expect(await ports.state.load(), where).toMatchObject({ phase: "deregistered" });
          expect(await ports.keys.load("current"), where).toBeNull();
        },
      });
      expect(points).toBeGreaterThanOrEqual(8);
    });
  }

  test("ok/readings that were not sent are counted, those that were are not", async () => {
    const stored = memoryReadingSpool();
    let isDown = false;
    const readings: ReadingSpool = {
      ...stored,
      remove: async (ids) => (isDown && ids.length > 0 ? Promise.reject(new Error("no power")) : stored.remove(ids)),
    };
    const ports = { ...home, readings };
    const measuring = await Device.open({ ports, options: patient() });
    await measuring.send("energy", [{ value: 1 }, { value: 2 }]);
    // Queued, and still in the spool when the power fails.
    isDown = true;
    await expect(measuring.flushReadings()).rejects.toThrow("no power");
    isDown = false;
    const back = await Device.open({ ports, options: patient() });
    await back.send("energy", [{ value: 3 }, { value: 4 }, { value: 5 }]);
    expect(await back.deregister()).toMatchObject({ unsent: 3 });
    const reopened = await Device.open({ ports, options: patient() });
    expect(await reopened.deregister()).toMatchObject({ unsent: 3 });
  });

  test("ok/readings that the service did not take yet are counted, too", async () => {
    const { device: other, home: ports } = await bootstrapped(
      { ...bench, credential: await issueCredential(bench.service) },
      { ...memoryHome(bench), readings: memoryReadingSpool() },
    );
    await other.register(profile);
    const stored = await registryEntry(bench, other.status().deviceId);
    if (!stored) throw new Error("no device");
    await other.send("energy", [{ value: 1 }, { value: 2 }]);
    await bench.service.store.write(devicePuts(stored, { ...stored, status: "provisioned" }, 1));
    await expect(other.flushReadings()).rejects.toMatchObject({ code: "not-registered" });
    expect(await ports.readings?.list()).toEqual([]);
    expect(await other.deregister()).toMatchObject({ unsent: 2 });
  });

  test("ok/rule 13: what was pending goes first, and nothing is queued behind", async () => {
    const offline = await Device.open({
      ports: { ...home, messages: { ...home.messages, post: async () => Promise.reject(new Error("down")) } },
      options: { ...patient(), maxWaitSeconds: 0 },
    });
    await expect(offline.checkFirmware()).rejects.toMatchObject({ code: "no-answer" });
    await expect(offline.deregister()).rejects.toMatchObject({ code: "no-answer" });
    expect(offline.status().pending).toEqual([{ seq: 2, operation: "firmware.check" }]);
    const refusing = await Device.open({
      ports: {
        ...home,
        messages: {
          ...home.messages,
          post: (url, token) => ((last += 1) > 1 ? Promise.reject(new Error("down")) : home.messages.post(url, token)),
        },
      },
      options: { ...patient(), maxWaitSeconds: 0 },
    });
    await expect(refusing.deregister()).rejects.toMatchObject({ code: "no-answer" });
    expect(refusing.status().pending).toEqual([{ seq: 3, operation: "deregister" }]);
    const late = refusing.reportFirmware({ counter: 3, state: "failed" });
    await expect(late).rejects.toMatchObject({ code: "leaving" });
    await (await Device.open({ ports: home, options: patient() })).deregister();
  });
  test("ok/rule 13: called while something else is being queued, it still goes last and alone", async () => {
    const queues: string[][] = [];
    const state = {
      load: () => home.state.load(),
      save: async (document: object) => {
        const { queue } = document as Partial<Enrolled>;
        queues.push(queue?.pending.map(({ operation }) => operation) ?? []);
        await home.state.save(document);
      },
    };
    const busy = await Device.open({ ports: { ...home, state }, options: patient() });
    const ends = await Promise.allSettled([
      busy.checkFirmware(),
      busy.deregister(),
      busy.reportFirmware({ counter: 3, state: "failed" }).catch(() => {}),
    ]);
    expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
    expect(queues.filter((queue) => queue.includes("deregister"))).toEqual([["deregister"]]);
  });

  let last = 0;
  beforeEach(() => {
    last = 0;
  });

  test("fails/a receipt by another key, or about other keys, erases nothing", async () => {
    const { deviceId: sub = "", signingKey: signing = "" } = device.status();
    const { encryptionKey } = (await home.state.load()) as Enrolled;
    const forger = await signingKey();
    const claims = {
      iss: bench.credential.serviceId,
      sub,
      iat: bench.now,
      type: "deregistration",
      signingKey: signing,
      encryptionKey,
    } as const;
    const forged = [
      await signReceipt(claims, forger),
      await signReceipt({ ...claims, signingKey: forger.kid }, bench.service.receiptKey),
      await signReceipt({ ...claims, sub: "00000000-0000-4000-8000-000000000000" }, bench.service.receiptKey),
    ];
    const row = bench.service.messages.exchanges.deregister;
    for (const receipt of forged) {
      const spy = vi.spyOn(row, "reply").mockResolvedValueOnce({ receipt });
      await expect(device.deregister()).rejects.toMatchObject({ code: "reply-invalid" });
      spy.mockRestore();
      expect(await home.keys.load("current")).not.toBeNull();
      expect(device.status().phase).toBe("registered");
    }
    // The tombstone answers any `deregister` with the true receipt.
    await device.deregister();
    expect(await home.keys.load("current")).toBeNull();
  });

  test("ok/a copy of the device already left: gone, and the receipt is still to be had", async () => {
    const snapshot = await home.state.load();
    const keys = await home.keys.load("current");
    await device.deregister();
    const copy: Home = {
      ...home,
      state: { load: async () => snapshot, save: async () => {} },
      keys: { ...home.keys, load: async (slot) => (slot === "current" ? keys : null) },
    };
    const twin = await Device.open({ ports: copy, options: patient() });
    await twin.checkFirmware().catch(() => {});
    await expect(twin.checkFirmware()).rejects.toMatchObject({ code: "gone" });
    expect(twin.status().phase).toBe("gone");
    expect((await twin.deregister()).receipt).toBe(device.status().receipt);
  });
});
