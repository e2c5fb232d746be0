import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { limits } from "@sealpost/protocol/limits.ts";

import { Device } from "../../device/device.ts";
import type { DeviceOptions } from "../../device/options.ts";
import { type Bench, type Home, bootstrapped, openBench, patient, profile, registryEntry } from "./support/bench.ts";
import { makeRelease, publishRelease } from "./support/release.ts";

let bench: Bench;
let home: Home;

beforeEach(async () => {
  bench = await openBench();
  const { device, home: ports } = await bootstrapped(bench);
  home = ports;
  await device.register(profile);
});
afterEach(() => vi.restoreAllMocks());

const open = (options: DeviceOptions = {}) => Device.open({ ports: home, options: { ...patient(), ...options } });

test("ok/a state that a later version wrote keeps what this one does not know, and its messages are delivered", async () => {
  const state = (await home.state.load()) as { queue: { next: number; pending: object[] } };
  const { next } = state.queue;
  const queued = { seq: next, jti: "AAAAAAAAAAAAAAAAAAAAAA", operation: "samples", body: { values: [1] }, spool: 7 };
  await home.state.save({
    ...state,
    schedules: { last: 3 },
    queue: { ...state.queue, next: next + 1, pending: [queued], lanes: ["slow"] },
  });
  const device = await open();
  expect(device.status().pending).toEqual([{ seq: next, operation: "samples" }]);
  await device.register({ ...profile, hardware: "r3" });
  expect(await home.state.load()).toMatchObject({
    schedules: { last: 3 },
    queue: { pending: [], lanes: ["slow"] },
    profile: { hardware: "r3" },
  });
  expect((await registryEntry(bench, device.status().deviceId))?.window.high).toBe(next + 1);
});

test("ok/until they are sent they are kept as they are", async () => {
  const state = (await home.state.load()) as { queue: { next: number; pending: object[] } };
  const queued = { seq: state.queue.next, jti: "AAAAAAAAAAAAAAAAAAAAAA", operation: "samples", body: {}, spool: 7 };
  await home.state.save({ ...state, queue: { ...state.queue, next: queued.seq + 1, pending: [queued] } });
  const cut = await Device.open({
    ports: { ...home, messages: { ...home.messages, post: async () => Promise.reject(new Error("cut")) } },
    options: { ...patient(), maxWaitSeconds: 0 },
  });
  await expect(cut.register(profile)).rejects.toMatchObject({ code: "no-answer" });
  expect(await home.state.load()).toMatchObject({ queue: { pending: [queued, { operation: "register" }] } });
});

test("fails/a reply that is larger than the device takes is not sent, and the device says so", async () => {
  await publishRelease(bench, makeRelease(new Uint8Array(5_000).fill(7)));
  const lengths: number[] = [];
  const post: Home["messages"]["post"] = async (url, token) => {
    const answer = await home.messages.post(url, token);
    lengths.push(answer.body.length);
    return answer;
  };
  const small = await Device.open({
    ports: { ...home, messages: { ...home.messages, post } },
    options: { ...patient(), replyBytes: limits.leastReplyBytes },
  });
  await expect(small.checkFirmware()).rejects.toMatchObject({
    code: "refused",
    why: expect.stringContaining("reply-too-large"),
  });
  expect(Math.max(...lengths)).toBeLessThanOrEqual(limits.leastReplyBytes);
  expect(await (await open({ replyBytes: 8_192 })).checkFirmware()).toMatchObject({ counter: 2 });
});

test("fails/a limit that no service could keep", async () => {
  for (const replyBytes of [limits.leastReplyBytes - 1, 3_000.5, Number.NaN])
    await expect(open({ replyBytes })).rejects.toMatchObject({ code: "argument-invalid" });
});
