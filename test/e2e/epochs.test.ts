import { join } from "node:path";

import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { afterAll, beforeAll, expect, test } from "vitest";

import { Device, type MessageTransport, fetchMessageTransport } from "../../device/index.ts";
import { type Epoch, type EpochsRecord, epochsRecordSchema } from "../../functions/custody/epochs.ts";
import { emulatorClient } from "../../local/emulator/aws-environment.ts";
import { deploy } from "../../local/emulator/deploy.ts";
import { setFunctionEnvironment } from "../../local/emulator/function-environment.ts";
import type { LocalCustody } from "../../local/emulator/synthesis.ts";
import { startProxy } from "../../local/network/proxy.ts";
import { repository } from "../../local/repository.ts";
import { bootstrapped, post, registration, stack, store, temporaryFolder, windowOf } from "./world.ts";

/**
 * Custody `epoch` on the emulator: a stack that is switched while it serves, and back. Time is moved by taking it from the moments that are stored in
 * the list, which is all that the rules compare with a clock.
 */

const { endpoint, outputs } = stack;
const day = 86_400;
const options = { via: stack.messageUrl, maxWaitSeconds: 60 };

const switchTo = async (custody: LocalCustody) => {
  const directory = await temporaryFolder();
  await deploy({ endpoint, projectDirectory: repository, directory, custody, logPath: join(directory, "deploy.log") });
};

const storedList = async (): Promise<EpochsRecord> => {
  const [item] = await store.read([{ table: "epochs", key: { item: "epochs" } }]);
  return epochsRecordSchema.parse(item);
};

/** What the schedule does: whether the function failed. */
const sign = async (): Promise<boolean> => {
  const client = new LambdaClient(emulatorClient(endpoint));
  const command = new InvokeCommand({ FunctionName: outputs["KeySetSignFunctionName"] ?? "", Payload: "{}" });
  const { FunctionError } = await client.send(command);
  client.destroy();
  return FunctionError !== undefined;
};

/** The list as if it were so much older. */
const age = async (seconds: number) => {
  const list = await storedList();
  const earlier = <E extends Epoch>(epoch: E): E => ({
    ...epoch,
    nbf: epoch.nbf - seconds,
    ...(epoch.eraseAt === undefined ? {} : { eraseAt: epoch.eraseAt - seconds }),
  });
  const item = {
    ...list,
    revision: list.revision + 1,
    signing: { ...list.signing, epochs: list.signing.epochs.map(earlier) },
    decryption: { ...list.decryption, epochs: list.decryption.epochs.map(earlier) },
  };
  expect(await store.write([{ table: "epochs", item, when: { revision: list.revision } }])).toBe(true);
};

let starts = 0;
/** Functions that remember nothing, as they are after the minutes that did not pass. */
const startAfresh = async (variables: Record<string, string | undefined> = {}) => {
  starts += 1;
  const functionName = outputs["MessagesFunctionName"] ?? "";
  return setFunctionEnvironment({ endpoint, functionName, variables: { STARTED: String(starts), ...variables } });
};

/** A registered device whose posts are counted and kept. */
const enrolled = async () => {
  const { device: first, ports } = await bootstrapped();
  await first.register(registration);
  const posted: string[] = [];
  const transport = fetchMessageTransport();
  const messages: MessageTransport = {
    ...transport,
    post(url, token, how) {
      posted.push(token);
      return transport.post(url, token, how);
    },
  };
  const device = await Device.open({ ports: { ...ports, messages }, options });
  return { device, posted, deviceId: first.status().deviceId ?? "" };
};

let early: Awaited<ReturnType<typeof enrolled>>;

beforeAll(async () => {
  early = await enrolled();
  await switchTo({ signing: "epoch", decryption: "epoch" });
});
afterAll(() => switchTo({ signing: "kms", decryption: "kms" }));

test("ok/a device from before the switch catches up with one request more", async () => {
  early.posted.length = 0;
  await early.device.checkFirmware();
  expect(early.posted).toHaveLength(2);
  await early.device.checkFirmware();
  expect(early.posted).toHaveLength(3);
});

test("ok/messages cost no call of KMS once the epochs are unwrapped, once for each", async () => {
  const { device } = await enrolled();
  const proxy = await startProxy({ target: endpoint });
  const restore = await startAfresh({ AWS_ENDPOINT_URL_KMS: proxy.url });
  try {
    await device.checkFirmware();
    expect(proxy.counts()).toEqual({ Decrypt: 2 });
    for (let n = 0; n < 5; n += 1) await device.checkFirmware();
    expect(proxy.counts()).toEqual({ Decrypt: 2 });
  } finally {
    await restore();
    await proxy.close();
  }
});

test("ok/rotation under load loses nothing and does nothing twice", async () => {
  const devices = await Promise.all([enrolled(), enrolled(), enrolled()]);
  const rotated = new AbortController();
  let sent = 0;
  const load = devices.map(async ({ device }) => {
    while (!rotated.signal.aborted) {
      await device.checkFirmware();
      sent += 1;
    }
  });
  const before = (await storedList()).decryption.highest;
  for (let n = 0; n < 2; n += 1) {
    await age(2 * day);
    expect(await sign()).toBe(false);
    await age(7 * day + 1_800);
    await startAfresh();
    expect(await sign()).toBe(false);
  }
  rotated.abort();
  await Promise.all(load);
  expect((await storedList()).decryption.highest).toBe(before + 2);
  const highest = await Promise.all(devices.map(async ({ deviceId }) => Number((await windowOf(deviceId))["high"])));
  // One message to register, and each that was sent.
  expect(highest.reduce((sum, high) => sum + high - 1, 0)).toBe(sent);
});

test("ok/asleep through five epochs: one request more, and what was recorded before stays shut", async () => {
  const { device, posted } = await enrolled();
  await device.checkFirmware();
  const recorded = posted.at(-1) ?? "";
  expect((await post(recorded)).status).toBe(200);
  const before = (await storedList()).decryption.highest;
  for (let n = 0; n < 6; n += 1) {
    await age(8 * day + 3_600);
    expect(await sign()).toBe(false);
  }
  expect((await storedList()).decryption.highest).toBeGreaterThanOrEqual(before + 5);
  await startAfresh();
  posted.length = 0;
  await device.checkFirmware();
  expect(posted).toHaveLength(2);
  const answer = await post(recorded);
  expect(answer.status).toBe(409);
  expect(JSON.parse(answer.text)).toMatchObject({ code: "key-retired" });
});

test("ok/KMS makes no key when one is due: the set is signed, the function fails for the alarm, devices notice nothing", async () => {
  const { device } = await enrolled();
  const proxy = await startProxy({ target: endpoint });
  const restore = await setFunctionEnvironment({
    endpoint,
    functionName: outputs["KeySetSignFunctionName"] ?? "",
    variables: { AWS_ENDPOINT_URL_KMS: proxy.url },
  });
  try {
    await age(20 * day);
    const { signing, decryption } = await storedList();
    const operation = "GenerateDataKeyPairWithoutPlaintext";
    const refused = proxy.fault({ kind: "throttle", operation, times: 50 });
    expect(await sign()).toBe(true);
    expect(refused.hits()).toBeGreaterThan(0);
    const after = await storedList();
    expect([after.signing.highest, after.decryption.highest]).toEqual([signing.highest, decryption.highest]);
    await startAfresh();
    await device.checkFirmware();
    proxy.reset();
    expect(await sign()).toBe(false);
    expect((await storedList()).signing.highest).toBe(signing.highest + 1);
  } finally {
    await restore();
    await proxy.close();
  }
});
