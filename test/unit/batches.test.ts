import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { limits } from "@sealpost/protocol/limits.ts";
import { problem } from "@sealpost/protocol/messages/problems.ts";

import { makeBatchHandler } from "../../functions/carriers/batch.ts";
import { makeHandler } from "../../functions/carriers/http.ts";
import type { MessagePorts } from "../../functions/receive/ports.ts";
import { tellReason } from "../../local/reasons.ts";
import { rawDevice, registration } from "../support/raw-device.ts";
import { type TestService, present, startService } from "../support/service.ts";
import { type Speaker, speaker, stored } from "./speaker.ts";

let service: TestService;
let devices: Speaker[];
let logged: string[];

beforeEach(async () => {
  service = await startService();
  devices = await Promise.all(
    [1, 2].map(async () => {
      const raw = await rawDevice(service);
      return speaker(service, raw.deviceId, { signing: raw.signer, encryption: raw.encryption });
    }),
  );
  logged = [];
  vi.spyOn(process.stdout, "write").mockImplementation((line) => logged.push(String(line)) > 0);
});
afterEach(() => {
  vi.restoreAllMocks();
});

const start = present * 1_000;

async function post(
  body: string,
  { ports = service.messages, clock = () => start, isBase64Encoded = false }: Options = {},
) {
  const handler = makeBatchHandler(ports, clock);
  const sent = isBase64Encoded ? Buffer.from(body).toString("base64") : body;
  const answer = await handler({ routeKey: "POST /batches", headers: {}, body: sent, isBase64Encoded });
  const text = answer.body ?? "";
  return { ...answer, text, lines: text.split("\n").slice(0, -1) };
}
type Options = {
  readonly ports?: MessagePorts;
  readonly clock?: () => number;
  readonly isBase64Encoded?: boolean;
};

const first = () => devices[0] ?? expect.fail("no device");
const second = () => devices[1] ?? expect.fail("no device");
const register = (device: Speaker, seq = 1) => device.seal(device.claims("register", registration, { seq }));
const check = (device: Speaker, seq: number) =>
  device.seal(device.claims("firmware.check", { firmware: registration.firmware }, { seq }));
const outcomes = () => logged.map((line) => JSON.parse(line).outcome);
const unavailable = JSON.stringify(problem("unavailable"));
const notAccepted = JSON.stringify(problem("not-accepted"));

describe("a batch", () => {
  test("ok/a line for each place, in order, each as sealed as if it came alone", async () => {
    const sent = await Promise.all([register(first()), register(second()), check(first(), 2)]);
    const answer = await post(sent.map(({ token }) => token).join("\n"));
    expect(answer).toMatchObject({
      statusCode: 200,
      headers: { "content-type": "text/plain", "cache-control": "no-store" },
    });
    const by = [first(), second(), first()];
    const replies = await Promise.all(
      answer.lines.map((line, place) => by[place]?.open(line, sent[place]?.jws ?? "none")),
    );
    expect(replies.map((reply) => reply?.status)).toEqual(["ok", "ok", "ok"]);
    expect(logged.map((line) => JSON.parse(line))).toMatchObject([
      { function: "messages", outcome: "ok", deviceId: first().deviceId, seq: 1, operation: "register", place: 0 },
      { function: "messages", outcome: "ok", deviceId: second().deviceId, seq: 1, operation: "register", place: 1 },
      { function: "messages", outcome: "ok", deviceId: first().deviceId, seq: 2, operation: "firmware.check" },
    ]);
  });

  test("ok/one line break at the end adds no place; a gateway may hand over base64", async () => {
    const { token } = await register(first());
    expect((await post(`${token}\n`, { isBase64Encoded: true })).lines).toHaveLength(1);
    expect((await post(`${token}\n\n`)).lines).toHaveLength(2);
  });

  test("fails/what is no message stays in its place, in the bytes that it gets alone", async () => {
    const [{ token }, other] = await Promise.all([register(first()), register(second())]);
    const { lines } = await post(["", token, "a.b.c.d.e", `${other.token}\r`, other.token.slice(0, -2)].join("\n"));
    const alone = await makeHandler(
      service.messages,
      () => start,
    )({
      routeKey: "POST /messages",
      headers: {},
      body: "a.b.c.d.e",
      isBase64Encoded: false,
    });
    expect(alone.body).toBe(notAccepted);
    expect(lines.map((line) => line === notAccepted)).toEqual([true, false, true, true, true]);
    expect(logged.slice(0, 5).map((line) => tellReason(line) !== undefined)).toEqual([true, false, true, true, true]);
  });

  test("fails/a token over the limit is too large in its place alone", async () => {
    const { token } = await register(first());
    const { lines } = await post(`${"a".repeat(limits.tokenBytes + 1)}\n${token}`);
    expect(lines[0]).toBe(JSON.stringify(problem("too-large")));
    expect(outcomes()).toEqual(["too-large", "ok"]);
  });
});

describe("a batch that is none", () => {
  const { tokens, requestBytes } = limits.batch;
  const lineOfHalf = `${"a".repeat(requestBytes / 2 - 1)}\n`;
  test.each([
    ["nothing in it", "", 400, "invalid-request"],
    ["a token too many", "a\n".repeat(tokens + 1), 413, "too-large"],
    ["a token too many without a line break at the end", "a\n".repeat(tokens) + "a", 413, "too-large"],
    ["an empty line too many", "a\n".repeat(tokens) + "\n", 413, "too-large"],
    ["line breaks alone", "\n".repeat(requestBytes), 413, "too-large"],
    ["a byte too many", `${lineOfHalf}${lineOfHalf}a`, 413, "too-large"],
    ["fewer characters than bytes", "\u00e9".repeat(requestBytes / 2 + 1), 413, "too-large"],
  ])("fails/%s", async (_, body, status, code) => {
    for (const isBase64Encoded of [false, true]) {
      const answer = await post(body, { isBase64Encoded });
      expect(answer.statusCode).toBe(status);
      expect(JSON.parse(answer.text)).toMatchObject({ code, detail: expect.any(String) });
    }
    expect(outcomes()).toEqual([code, code]);
  });

  test("ok/as much as there may be", async () => {
    expect((await post("a\n".repeat(tokens))).lines).toHaveLength(tokens);
    expect((await post(`${lineOfHalf}${lineOfHalf}`)).lines).toHaveLength(2);
  });
});

test("ok/what does not fit into the answer is told to come again; it took effect, and is answered then", async () => {
  const [rsa] = service.messageKeys.openers;
  if (!rsa) throw new Error("no key");
  const retired = 20;
  const published = await service.messages.readCatchUp();
  if (!published) throw new Error("nothing published");
  const catchUp = { ...published, keySet: "" };
  const least = unavailable.length + 1;
  const room = limits.batch.replyBytes - (retired + 1) * least;
  const empty = JSON.stringify(problem("key-retired", catchUp)).length + 1 - least;
  catchUp.keySet = "x".repeat(Math.floor(room / retired) - empty);
  const ports = { ...service.messages, serverKeys: { at: async () => ({ ...service.messageKeys, openers: [rsa] }) } };
  const { token: old } = await register(second());
  const raw = await rawDevice(service);
  const { token } = await raw.seal(await raw.claimsOf("register", registration, { seq: 1 }));
  const body = [...Array.from({ length: retired }, () => old), token].join("\n");
  const { lines, text } = await post(body, { ports: { ...ports, readCatchUp: async () => catchUp } });
  expect(text.length).toBeLessThanOrEqual(limits.batch.replyBytes);
  expect(lines.slice(0, retired).every((line) => line.includes("key-retired"))).toBe(true);
  expect(lines[retired]).toBe(unavailable);
  expect(JSON.parse(logged.at(-1) ?? "")).toMatchObject({
    outcome: "fault",
    fault: "unavailable",
    deviceId: raw.deviceId,
  });
  expect((await stored(service, raw.deviceId)).window.high).toBe(1);
  const again = await post(token);
  expect(again.lines[0]).not.toContain("{");
  expect(outcomes().at(-1)).toBe("ok");
});

describe("a batch for which time runs out", () => {
  const lateFrom = (call: number) => {
    let calls = 0;
    return () => (++calls < call ? start : start + 14_000);
  };

  test("fails/what has not begun is told to come again, and nothing of it took effect", async () => {
    const sent = await Promise.all([register(first()), register(second())]);
    const { statusCode, lines } = await post(sent.map(({ token }) => token).join("\n"), { clock: lateFrom(2) });
    expect({ statusCode, lines }).toEqual({ statusCode: 200, lines: [unavailable, unavailable] });
    for (const { deviceId } of devices) expect((await stored(service, deviceId)).window.high).toBe(0);
  });

  test("ok/what took effect before is answered when it comes again", async () => {
    const { token } = await register(first());
    // Start, before it is opened, before it is written; and then too late to seal.
    expect((await post(token, { clock: lateFrom(4) })).lines).toEqual([unavailable]);
    expect((await stored(service, first().deviceId)).window.high).toBe(1);
    await post(token);
    expect(outcomes()).toEqual(["fault", "ok"]);
  });
});
