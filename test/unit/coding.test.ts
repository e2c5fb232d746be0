import { gunzipSync, gzipSync } from "node:zlib";

import { limits } from "@sealpost/protocol/limits.ts";
import { beforeEach, expect, test, vi } from "vitest";

import { makeHandler } from "../../functions/carriers/http.ts";
import { type RawDevice, rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, startService } from "../support/service.ts";

/** Messages in the content coding gzip: answered alike, and nothing else of it differs. */

let service: TestService;
let device: RawDevice;
beforeEach(async () => {
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  service = await startService();
  device = await rawDevice(service);
  await device.exchange(await device.claimsOf("register", registration, { seq: 1 }));
});

const post = async (body: Buffer) => {
  const event = { routeKey: "POST /messages", headers: {}, body: body.toString("base64"), isBase64Encoded: true };
  return makeHandler(service.messages, () => present * 1_000)(event);
};
const sealed = async (operation: string, body: Record<string, unknown>, seq: number) =>
  device.seal(await device.claimsOf(operation, body, { seq, ack: seq - 1 }));
const check = async (seq = 2) => sealed("firmware.check", { firmware: registration.firmware }, seq);

test("ok/a coded request is opened, and answered in the same coding", async () => {
  const { token, jws } = await check();
  const { statusCode, headers, body = "", isBase64Encoded } = await post(gzipSync(token));
  expect({ statusCode, isBase64Encoded, headers }).toMatchObject({
    statusCode: 200,
    isBase64Encoded: true,
    headers: { "content-type": "application/jose", "content-encoding": "gzip" },
  });
  const reply = gunzipSync(Buffer.from(body, "base64")).toString();
  expect(await device.open(reply, jws)).toMatchObject({ status: "ok" });
});

test("ok/a plain request is answered plain", async () => {
  const { token, jws } = await check();
  const { headers, body = "", isBase64Encoded } = await post(Buffer.from(token));
  expect(isBase64Encoded).toBeUndefined();
  expect(headers).not.toHaveProperty("content-encoding");
  expect(await device.open(body, jws)).toMatchObject({ status: "ok" });
});

test("ok/its length says nothing of the operation: a sixth less, give or take a few bytes", async () => {
  const stream = { stream: "energy", records: [{ time: present, name: "active", unit: "Wh", sum: 12.5 }] };
  const lengths = async (operation: string, body: Record<string, unknown>) =>
    Promise.all(
      Array.from({ length: 50 }, async (_, n) => gzipSync((await sealed(operation, body, n + 2)).token).length),
    );
  const all = await Promise.all([lengths("firmware.check", {}), lengths("readings", stream)]);
  const means = all.map((some) => some.reduce((sum, each) => sum + each, 0) / some.length);
  expect(Math.abs((means[0] ?? 0) - (means[1] ?? 0))).toBeLessThan(4);
  expect(Math.max(...all.flat()) - Math.min(...all.flat())).toBeLessThan(40);
});

const uniform = async () => (await post(Buffer.from("nothing"))).body;

test("fails/what is damaged on the way is not accepted, and told from nothing else", async () => {
  const coded = gzipSync((await check()).token);
  coded[100] = (coded[100] ?? 0) ^ 1;
  expect(await post(coded)).toMatchObject({ statusCode: 400, body: await uniform() });
  expect(await post(coded.subarray(0, 300))).toMatchObject({ statusCode: 400, body: await uniform() });
});

test("fails/what unfolds to more than a token may have is too large, and not unfolded further", async () => {
  const { statusCode } = await post(gzipSync(Buffer.alloc(limits.tokenBytes + 1, "A")));
  expect(statusCode).toBe(413);
  expect(vi.mocked(process.stdout.write).mock.lastCall?.[0]).toContain('"reason":"body"');
  expect((await post(gzipSync(Buffer.alloc(limits.tokenBytes, "A")))).statusCode).toBe(400);
});

test("fails/coded twice", async () => {
  const { token } = await check();
  expect(await post(gzipSync(gzipSync(token)))).toMatchObject({ statusCode: 400, body: await uniform() });
});
