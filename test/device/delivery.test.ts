import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { openKeySet } from "@sealpost/protocol/documents/key-set.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import { problem } from "@sealpost/protocol/messages/problems.ts";
import { parseRequest } from "@sealpost/protocol/messages/request.ts";
import { sealReply } from "@sealpost/protocol/messages/reply.ts";
import { signTrust } from "@sealpost/protocol/documents/trust.ts";

import { Device } from "../../device/device.ts";
import { isDeviceError } from "../../device/device-error.ts";
import type { DeviceOptions } from "../../device/options.ts";
import type { HttpAnswer, MessageTransport, StateStore } from "../../device/ports.ts";
import { answerMessage } from "../../functions/receive/answer.ts";
import type { CatchUp } from "@sealpost/protocol/documents/trust.ts";
import { signingKey } from "../support/keys.ts";
import { present, serviceId } from "../support/service.ts";
import { rsaOpener } from "../support/software-custody.ts";
import {
  type Bench,
  type Home,
  bootstrapped,
  journal,
  openBench,
  patient,
  profile,
  registryEntry,
  setStatus,
  steadyTiming,
  toAnswer,
} from "./support/bench.ts";
import { atEveryCall } from "./support/crash.ts";
import { presentOpener, publish, rotate } from "./support/rotate.ts";

let bench: Bench;
let home: Home;
let device: Device;

beforeEach(async () => {
  bench = await openBench();
  ({ device, home } = await bootstrapped(bench));
  bench.posted.length = 0;
});
afterEach(() => vi.restoreAllMocks());

/** The same device with another network. */
async function behind(relay: Partial<MessageTransport>, options: DeviceOptions = patient()): Promise<Device> {
  return Device.open({ ports: { ...home, messages: { ...home.messages, ...relay } }, options });
}

const registrations = async () =>
  (await journal(bench, device.status().deviceId)).filter((action) => action === "device.registered").length;

describe("what a relay may do", () => {
  test("ok/nothing in its way: one post", async () => {
    expect(await device.register(profile)).toEqual({ pollSeconds: 3_600 });
    expect(bench.posted).toEqual(["http://messages.test/messages"]);
    expect(device.status()).toMatchObject({ phase: "registered", model: "meter", pending: [] });
  });

  test("ok/every reply lost nine times: one effect", async () => {
    let posts = 0;
    const lossy = await behind({
      async post(url, token) {
        const answer = await home.messages.post(url, token);
        posts += 1;
        if (posts < 10) throw new Error("lost");
        return answer;
      },
    });
    await lossy.register(profile);
    expect(posts).toBe(10);
    expect(await registrations()).toBe(1);
  });

  test("ok/a late reply to an earlier copy is believed", async () => {
    const held: HttpAnswer[] = [];
    let posts = 0;
    const late = await behind({
      async post(url, token) {
        posts += 1;
        if (posts > 1) return held[0] ?? toAnswer(500, "");
        held.push(await home.messages.post(url, token));
        throw new Error("held back");
      },
    });
    await late.register(profile);
    expect(posts).toBe(2);
  });

  const inventions: Record<string, (token: string) => HttpAnswer> = {
    "an uniform problem": () => toAnswer(400, JSON.stringify(problem("not-accepted"))),
    "a 503": () => toAnswer(503, "<html>"),
    "a 410 that says gone": () => toAnswer(410, JSON.stringify({ code: "gone" })),
    "the request itself": (token) => toAnswer(200, token),
    "an empty body": () => toAnswer(200, ""),
    bytes: () => ({ status: 200, contentType: "application/jose", body: new Uint8Array(500).fill(0xff) }),
    "key-retired with nothing in it": () => toAnswer(409, JSON.stringify(problem("key-retired"))),
    "key-retired with what the device has": () =>
      toAnswer(
        409,
        JSON.stringify(problem("key-retired", { trust: bench.service.chain, keySet: bench.service.keySet.token })),
      ),
  };
  for (const [name, invent] of Object.entries(inventions)) {
    test(`fails/${name}: nothing changes, the message stays`, async () => {
      const liar = await behind({ post: async (_url, token) => invent(token) }, { ...patient(), maxWaitSeconds: 30 });
      const before = JSON.stringify(await home.state.load());
      const failure = await liar.register(profile).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: "no-answer" });
      expect(failure).toMatchObject({ why: expect.stringMatching(/HTTP \d{3}\) could not be verified$/) });
      const after = await home.state.load();
      expect(after).toMatchObject({ queue: { next: 2, pending: [{ seq: 1, operation: "register" }] } });
      expect(JSON.stringify({ ...(after as object), queue: null })).toBe(
        JSON.stringify({ ...JSON.parse(before), queue: null }),
      );
      const recovered = await Device.open({ ports: home, options: patient() });
      await recovered.register(profile);
      expect(recovered.status().pending).toEqual([]);
    });
  }

  test("fails/the reply to another message, well sealed to the certified key, is not believed", async () => {
    const pair = await home.keys.load("current");
    const swapping = await behind(
      {
        async post(url, token) {
          await home.messages.post(url, token);
          const jwk = await crypto.subtle.exportKey("jwk", pair!.encryption.publicKey);
          const { x = "", y = "" } = jwk;
          const replyKey = (device.status() && (await home.state.load())) as {
            encryptionKey: string;
            deviceId: string;
          };
          const stale = {
            iat: present,
            trustVersion: 1,
            keySetVersion: 1,
            request: "A".repeat(43),
            replyKey: replyKey.encryptionKey,
            status: "gone" as const,
            body: { detail: "", retry: false },
          };
          return toAnswer(200, await sealReply(stale, bench.service.replyKey, { kty: "EC", crv: "P-256", x, y }));
        },
      },
      { ...patient(), maxWaitSeconds: 5, replyKey: "certified" },
    );
    await expect(swapping.register(profile)).rejects.toMatchObject({ code: "no-answer" });
    expect(swapping.status().phase).toBe("provisioned");
  });

  test("ok/replies sealed to the certified key", async () => {
    const certified = await behind({}, { ...patient(), replyKey: "certified" });
    await certified.register(profile);
    expect(certified.status().phase).toBe("registered");
  });

  test("ok/pauses grow to the configured cap, with jitter", async () => {
    const timing = steadyTiming();
    const options = { timing, maxWaitSeconds: 200, backOff: { firstSeconds: 1, mostSeconds: 8 } };
    const dead = await behind({ post: async () => Promise.reject(new Error("down")) }, options);
    await expect(dead.register(profile)).rejects.toMatchObject({ code: "no-answer" });
    expect(timing.slept.slice(0, 6).map(Math.round)).toEqual([1, 2, 4, 8, 8, 8]);
  });

  test("ok/no pause exceeds the limit of the protocol, whatever is asked", async () => {
    const timing = steadyTiming();
    const options = { timing, maxWaitSeconds: 100_000, backOff: { mostSeconds: 50_000 } };
    const dead = await behind({ post: async () => Promise.reject(new Error("down")) }, options);
    await expect(dead.register(profile)).rejects.toMatchObject({ code: "no-answer" });
    expect(Math.max(...timing.slept)).toBeLessThanOrEqual(limits.retrySeconds);
  });

  test("ok/a relay that the user named first, then the addresses of the trust document in turn", async () => {
    const urls: string[] = [];
    const post = async (url: string) => {
      urls.push(url);
      return toAnswer(500, "");
    };
    await expect(
      (await behind({ post }, { ...patient(), maxWaitSeconds: 2, via: "http://relay.test/x/" })).register(profile),
    ).rejects.toMatchObject({ code: "no-answer" });
    expect(urls.slice(0, 2)).toEqual(["http://relay.test/x/messages", "http://messages.test/messages"]);
    await rotate(bench, { messageUrls: ["http://one.test", "http://two.test/"] });
    await device.register(profile);
    urls.length = 0;
    await expect((await behind({ post }, { ...patient(), maxWaitSeconds: 8 })).checkFirmware()).rejects.toMatchObject({
      code: "no-answer",
    });
    expect(urls.slice(0, 4)).toEqual([
      "http://one.test/messages",
      "http://two.test/messages",
      "http://messages.test/messages",
      "http://one.test/messages",
    ]);
  });
});

describe("a power cut anywhere", () => {
  for (const strike of ["before", "after"] as const) {
    test(`ok/${strike} any call of register and check: exactly once each`, async () => {
      const points = await atEveryCall({
        strike,
        start: async () => {
          bench = await openBench();
          return (await bootstrapped(bench)).home;
        },
        run: async (ports) => {
          const reopened = await Device.open({ ports, options: patient() });
          if (reopened.status().phase === "provisioned" && reopened.status().pending?.length === 0)
            await reopened.register(profile);
          if (reopened.status().phase === "provisioned") await reopened.register({ ...profile, hardware: "r3" });
          await reopened.checkFirmware();
        },
        check: async (ports, where) => {
          const reopened = await Device.open({ ports });
          const { deviceId, pending } = reopened.status();
          expect(pending, where).toEqual([]);
          const acts = (await journal(bench, deviceId)).filter((action) => action === "device.registered");
          const { next } = ((await ports.state.load()) as { queue: { next: number } }).queue;
          const entry = await registryEntry(bench, deviceId);
          // Every number that was taken was used exactly once, and the service agrees on the last.
          expect(entry?.window.high, where).toBe(next - 1);
          expect(acts.length, where).toBeLessThanOrEqual(2);
          expect(acts.length, where).toBeGreaterThanOrEqual(1);
        },
      });
      expect(points).toBeGreaterThanOrEqual(10);
    });
  }

  test("ok/the message is durable before it is first sent, and resent with the same seq and jti", async () => {
    const seen: unknown[] = [];
    const cut = await behind(
      {
        async post() {
          seen.push(((await home.state.load()) as { queue: { pending: unknown[] } }).queue.pending[0]);
          throw new Error("cut");
        },
      },
      { ...patient(), maxWaitSeconds: 0 },
    );
    await expect(cut.register(profile)).rejects.toMatchObject({ code: "no-answer" });
    const [stored] = seen;
    expect(stored).toMatchObject({ seq: 1, operation: "register", body: profile });
    const again = await Device.open({ ports: home, options: patient() });
    expect(again.status().pending).toEqual([{ seq: 1, operation: "register" }]);
  });
});

describe("rotated keys", () => {
  test("ok/key-retired: adopted, and the same message sealed anew at once", async () => {
    await rotate(bench);
    const timing = steadyTiming();
    const rotated = await behind({}, { timing, maxWaitSeconds: 60 });
    await rotated.register(profile);
    expect(bench.posted).toHaveLength(2);
    expect(timing.slept).toEqual([]);
    expect(rotated.status().keySet?.version).toBe(present + 10);
  });

  test("fails/rule 14: a reply to a copy sealed to a key since retired is ignored", async () => {
    let held: HttpAnswer | undefined;
    const withheld = await behind(
      {
        async post(url, token) {
          if (!held) {
            held = await home.messages.post(url, token);
            await rotate(bench, {}, { replyKey: bench.service.replyKey });
            return toAnswer(
              409,
              JSON.stringify(problem("key-retired", { ...(await bench.service.messages.readCatchUp()) })),
            );
          }
          return held;
        },
      },
      { ...patient(), maxWaitSeconds: 5 },
    );
    await expect(withheld.register(profile)).rejects.toMatchObject({ code: "no-answer" });
    expect(withheld.status().pending).toHaveLength(1);
  });

  test("ok/a reply by an unknown key prompts a fetch of the keys, and is then believed", async () => {
    await rotate(bench, {}, { opener: presentOpener(bench) });
    const timing = steadyTiming();
    const caught = await behind({}, { timing, maxWaitSeconds: 60 });
    await caught.register(profile);
    expect(timing.slept).toEqual([]);
    expect(bench.posted).toHaveLength(1);
    expect(caught.status()).toMatchObject({ trustVersion: 2, keySet: { version: present + 10 } });
  });

  test("fails/an older key set is never adopted again", async () => {
    const keys = await rotate(bench);
    const old = await bench.service.messages.readCatchUp();
    await publish(bench, { ...keys, opener: await rsaOpener() });
    const rotated = await behind({});
    await rotated.register(profile);
    const replaying = await Device.open({
      ports: {
        ...home,
        messages: {
          ...home.messages,
          post: async () => toAnswer(409, JSON.stringify(problem("key-retired", { ...old }))),
        },
      },
      options: { ...patient(), maxWaitSeconds: 5 },
    });
    await expect(replaying.checkFirmware()).rejects.toMatchObject({ code: "no-answer" });
    expect(replaying.status().keySet?.version).toBe(present + 11);
  });

  test("fails/a key set under a trust document by a stranger is not adopted", async () => {
    const [root, keySetKey] = [await signingKey(), await signingKey()];
    const trust = [
      await signTrust({ ...bench.service.trust, version: 2, root: root.jwk, keySetKeys: [keySetKey.jwk] }, [root]),
    ];
    const token = bench.service.keySet.token;
    await expect(openKeySet(token, { serviceId, keySetKeys: [keySetKey.jwk] })).rejects.toMatchObject({
      code: "unknown-key",
    });
    const catchUp: CatchUp = { trust, keySet: token };
    const stranger = await behind(
      { post: async () => toAnswer(409, JSON.stringify(problem("key-retired", { ...catchUp }))) },
      { ...patient(), maxWaitSeconds: 5 },
    );
    await expect(stranger.register(profile)).rejects.toMatchObject({
      code: "no-answer",
      why: expect.stringContaining("answers as another service"),
      circumstance: "other-service-answers",
    });
    expect(stranger.status().trustVersion).toBe(1);
  });
});

test("fails/another stack at the same address: its documents, as new as ours, hang on no root of this device", async () => {
  const other = await openBench();
  const lost = await behind(other.messages, { ...patient(), maxWaitSeconds: 5 });
  await expect(lost.register(profile)).rejects.toMatchObject({
    code: "no-answer",
    why: expect.stringContaining("not signed by the root that this device trusts"),
    circumstance: "other-service-answers",
  });
});

describe("time", () => {
  test("ok/a device that slept for days is told the time and goes on, under the same seq", async () => {
    bench.now += 3 * 86_400;
    const timing = steadyTiming();
    const slept = await behind({}, { timing, maxWaitSeconds: 60 });
    await slept.register(profile);
    expect(bench.posted).toHaveLength(2);
    expect(timing.slept).toEqual([]);
    expect((await registryEntry(bench, slept.status().deviceId))?.window.high).toBe(1);
    expect(slept.status().time).toBe(bench.now);
  });

  test("ok/an expired key set prompts a fetch, never a stop, even when there is none newer", async () => {
    bench.now += 30 * 86_400;
    const slept = await behind({});
    await slept.register(profile);
    expect(slept.status().phase).toBe("registered");
    // What is outside the key set's validity is used for the message and not believed for longer.
    expect(slept.status().time).toBe(present + limits.keySetSeconds);
  });

  test("ok/a device ahead of the service goes back", async () => {
    bench.now += 86_400;
    await device.register(profile);
    bench.now -= 80_000;
    const ahead = await behind({});
    await ahead.checkFirmware();
    expect(ahead.status().time).toBe(bench.now);
  });
});

describe("a queue that was rolled back (counter loss)", () => {
  const restored = (snapshot: unknown): StateStore => {
    let document = snapshot;
    return {
      load: async () => structuredClone(document),
      save: async (next) => void (document = structuredClone(next)),
    };
  };

  test("fails/conflict: not delivered, and the next message goes out above", async () => {
    const snapshot = await home.state.load();
    await device.register(profile);
    await device.checkFirmware();
    const back = await Device.open({ ports: { ...home, state: restored(snapshot) }, options: patient() });
    await expect(back.register(profile)).rejects.toMatchObject({ code: "not-delivered" });
    expect(await registrations()).toBe(1);
    await back.register({ ...profile, hardware: "r3" });
    const entry = await registryEntry(bench, back.status().deviceId);
    expect(entry?.window.high).toBe(3);
    expect(entry?.identity.registration?.hardware).toBe("r3");
  });

  test("fails/below the window: fate unknown, parked and never sent again", async () => {
    const snapshot = await home.state.load();
    await device.register(profile);
    for (let round = 0; round < limits.window; round += 1) await device.checkFirmware();
    const state = restored(snapshot);
    const back = await Device.open({ ports: { ...home, state }, options: patient() });
    await expect(back.register(profile)).rejects.toMatchObject({ code: "fate-unknown" });
    expect(back.status()).toMatchObject({
      pending: [],
      unknown: [{ seq: 1, operation: "register", why: "below-window" }],
    });
    await back.register(profile);
    expect((await registryEntry(bench, back.status().deviceId))?.window.high).toBe(limits.window + 2);
  });
});

describe("final refusals", () => {
  const withStatus = (status: "revoked" | "deregistered") => setStatus(bench, device.status().deviceId, status);

  test("fails/revoked: what was pending is unknown, and nothing is sent any more", async () => {
    await device.register(profile);
    await withStatus("revoked");
    await expect(device.checkFirmware()).rejects.toMatchObject({ code: "revoked" });
    expect(device.status()).toMatchObject({ phase: "revoked", pending: [], unknown: [{ seq: 2, why: "revoked" }] });
    bench.posted.length = 0;
    await expect(device.checkFirmware()).rejects.toMatchObject({ code: "revoked" });
    expect(bench.posted).toEqual([]);
  });

  test("fails/a message that took effect before the revocation is reported as done", async () => {
    let posts = 0;
    const unlucky = await behind({
      async post(url, token) {
        posts += 1;
        const answer = await home.messages.post(url, token);
        if (posts > 1) return answer;
        await withStatus("revoked");
        throw new Error("lost");
      },
    });
    await unlucky.register(profile);
    expect(unlucky.status().phase).toBe("registered");
  });

  test("fails/a malformed message is resolved and names the field", async () => {
    const answering = await behind({
      async post(_url, token) {
        const answer = await answerMessage(bench.service.messages, token, bench.now);
        expect(parseRequest(token).header.cty).toBe("JWT");
        return answer.kind === "sealed" ? toAnswer(200, answer.token) : toAnswer(400, "");
      },
    });
    await answering.register(profile);
    await expect(answering.reportFirmware({ counter: 99, state: "failed" })).rejects.toMatchObject({
      code: "refused",
      why: expect.stringContaining("unknown-release"),
    });
    expect(answering.status().pending).toEqual([]);
  });

  test("fails/check before register is said without asking anyone", async () => {
    await expect(device.checkFirmware()).rejects.toMatchObject({ code: "not-registered" });
    expect(bench.posted).toEqual([]);
  });

  test("fails/values that the protocol does not allow are not sent", async () => {
    await expect(device.register({ ...profile, model: "a b" })).rejects.toMatchObject({
      code: "argument-invalid",
      why: expect.stringContaining("model"),
    });
    await expect(device.reportFirmware({ counter: 1, state: "failed", reason: "No Space" })).rejects.toMatchObject({
      code: "argument-invalid",
    });
    expect(bench.posted).toEqual([]);
  });
});

test("ok/verbs called at once are sent one after another, each with its own answer", async () => {
  await device.register(profile);
  let inFlight = 0;
  let most = 0;
  const counting = await behind({
    async post(url, token) {
      inFlight += 1;
      most = Math.max(most, inFlight);
      const answer = await home.messages.post(url, token);
      inFlight -= 1;
      return answer;
    },
  });
  const results = await Promise.allSettled([
    counting.checkFirmware(),
    counting.reportFirmware({ counter: 7, state: "failed" }),
    counting.register({ ...profile, hardware: "r9" }),
    counting.checkFirmware(),
  ]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
  expect(most).toBe(1);
});

test("fails/nothing that an error says holds a secret or a token", async () => {
  const tokens: string[] = [];
  const failing = await behind(
    {
      async post(_url, token) {
        tokens.push(token);
        return toAnswer(400, token);
      },
    },
    { ...patient(), maxWaitSeconds: 2 },
  );
  const error: unknown = await failing.register(profile).catch((failure: unknown) => failure);
  expect(isDeviceError(error)).toBe(true);
  const said = JSON.stringify({ ...(error as object), message: String(error) });
  for (const token of tokens) expect(said).not.toContain(token.slice(0, 40));
});
