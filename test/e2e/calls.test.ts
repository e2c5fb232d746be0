import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { sealRequest } from "@sealpost/protocol/messages/request.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { setFunctionEnvironment } from "../../local/emulator/function-environment.ts";
import { type Proxy, type ProxiedCall, startProxy } from "../../local/network/proxy.ts";
import { readUnits } from "./read-units.ts";
import { operator, post, rawDevice, registration, stack, temporaryFolder, windowOf } from "./world.ts";

/** In records of the usual size more digests than an item of one read unit holds. */
const imageBytes = 16 * 1024 * 1024;

/** Calls that one message costs, counted between the function and the services. */
let kms: Proxy;
let dynamodb: Proxy;
let units = 0;
let restore: () => Promise<void>;

beforeAll(async () => {
  const target = stack.endpoint;
  const onCall = (call: ProxiedCall) => (units += readUnits(call));
  [kms, dynamodb] = await Promise.all([startProxy({ target }), startProxy({ target, onCall })]);
  restore = await setFunctionEnvironment({
    endpoint: stack.endpoint,
    functionName: stack.outputs["MessagesFunctionName"] ?? "",
    variables: { AWS_ENDPOINT_URL_KMS: kms.url, AWS_ENDPOINT_URL_DYNAMODB: dynamodb.url },
  });
  // A cold start reads public keys; what is counted is the warm function.
  await post("warm up");
});

afterAll(async () => {
  await restore();
  await Promise.all([kms.close(), dynamodb.close()]);
});

const counting = async (work: () => Promise<unknown>) => {
  kms.reset();
  dynamodb.reset();
  await work();
  return { ...kms.counts(), ...dynamodb.counts() };
};

describe("calls of an uncontended first-time message", () => {
  test("ok/that changes the window alone: one decrypt, one sign, one read, one write", async () => {
    const { exchange } = await rawDevice();
    await exchange("register", registration, { seq: 1 });
    const check = () => exchange("firmware.check", { firmware: registration.firmware }, { seq: 2 });
    const { GetItem = 0, ...calls } = await counting(check);
    expect(calls).toEqual({ Decrypt: 1, BatchGetItem: 1, PutItem: 1, Sign: 1 });
    // A firmware check reads the newest release besides.
    expect(GetItem).toBe(1);
  });

  test("ok/that changes the device's life: the one write is a transaction", async () => {
    const { exchange } = await rawDevice();
    const calls = await counting(() => exchange("register", registration, { seq: 1 }));
    expect(calls).toEqual({ Decrypt: 1, BatchGetItem: 1, TransactWriteItems: 1, Sign: 1 });
  });

  test("ok/a repeat writes nothing", async () => {
    const { claimsOf, send } = await rawDevice();
    const claims = claimsOf("register", registration, { seq: 1 });
    await send(claims);
    expect(await counting(() => send(claims))).toEqual({ Decrypt: 1, BatchGetItem: 1, Sign: 1 });
  });

  test("ok/a check reads four units, however large the image that was published", async () => {
    const profile = { ...registration, model: `units-${crypto.randomUUID()}` };
    const file = join(await temporaryFolder(), "image.bin");
    await writeFile(file, "");
    await truncate(file, imageBytes);
    const target = ["--model", profile.model, "--hardware", profile.hardware];
    await operator("release", "publish", file, ...target, "--version", "2.0.0", "--counter", "2");
    const { exchange } = await rawDevice();
    await exchange("register", profile, { seq: 1 });
    units = 0;
    const { body } = await exchange("firmware.check", { firmware: { version: "2.0.0", counter: 2 } }, { seq: 2 });
    expect(body).toEqual({ offer: null });
    expect(units).toBe(4);
  });

  test("fails/what is no ciphertext of ours costs no call", async () => {
    expect(await counting(() => post("a.b.c.d.e"))).toEqual({});
  });
});

test("ok/fifty messages of ten devices in one request: all answered, one read, one write for each device", async () => {
  const devices = await Promise.all(Array.from({ length: 10 }, rawDevice));
  const reading = { stream: "energy", records: [{ time: Date.now() / 1000, value: 1 }] };
  const sent = await Promise.all(
    [1, 2, 3, 4, 5].flatMap((seq) =>
      devices.map(async ({ claimsOf, signer, serverKey, open }) => {
        const place = { seq };
        const claims = seq === 1 ? claimsOf("register", registration, place) : claimsOf("readings", reading, place);
        return { open, ...(await sealRequest(claims, signer, serverKey)) };
      }),
    ),
  );
  let lines: string[] = [];
  const calls = await counting(async () => {
    const body = sent.map(({ token }) => `${token}\n`).join("");
    const answer = await fetch(`${stack.messageUrl}/batches`, { method: "POST", body });
    expect(answer.status).toBe(200);
    lines = (await answer.text()).split("\n");
  });
  const replies = await Promise.all(sent.map(({ open, jws }, place) => open(lines[place] ?? "", jws)));
  expect(replies.map(({ status }) => status)).toEqual(sent.map(() => "ok"));
  expect(calls).toEqual({ Decrypt: 50, BatchGetItem: 1, TransactWriteItems: 10, Sign: 50 });
});

describe("a lost reply", () => {
  test("ok/of the write: the SDK's retry finds its own write and the outcome is told", async () => {
    const { exchange, deviceId } = await rawDevice();
    const dropped = dynamodb.fault({ kind: "dropReply", operation: "TransactWriteItems" });
    expect((await exchange("register", registration, { seq: 1 })).status).toBe("ok");
    expect(dropped.hits()).toBe(1);
    expect(await windowOf(deviceId)).toMatchObject({ revision: 1, high: 1 });
  });

  test("ok/of the conditional put", async () => {
    const { exchange, deviceId } = await rawDevice();
    await exchange("register", registration, { seq: 1 });
    const dropped = dynamodb.fault({ kind: "dropReply", operation: "PutItem" });
    expect((await exchange("firmware.check", { firmware: registration.firmware }, { seq: 2 })).status).toBe("ok");
    expect(dropped.hits()).toBe(1);
    expect(await windowOf(deviceId)).toMatchObject({ revision: 2, high: 2 });
  });

  test("fails/throttled for longer than the SDK retries: nothing is written, and the same message works later", async () => {
    const { claimsOf, send, deviceId } = await rawDevice();
    const claims = claimsOf("register", registration, { seq: 1 });
    const throttled = dynamodb.fault({ kind: "throttle", operation: "TransactWriteItems", times: 20 });
    expect((await send(claims))[0]).toMatchObject({ status: "throttled", body: { retry: true } });
    expect(throttled.hits()).toBe(3);
    dynamodb.reset();
    expect((await windowOf(deviceId))["high"]).toBe(0);
    await sleep(10);
    expect((await send(claims))[0]?.status).toBe("ok");
  });
});
