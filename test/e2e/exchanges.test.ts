import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { openReceipt } from "@sealpost/protocol/documents/receipt.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { toSigningJwk } from "@sealpost/protocol/suites/suites.ts";
import { expect, test } from "vitest";

import {
  bootstrapped,
  journalOf,
  operator,
  publicDocuments,
  registration,
  temporaryFolder,
  windowOf,
} from "./world.ts";

const publish = async (model: string, image: Uint8Array, version: string) => {
  const file = join(await temporaryFolder(), "image.bin");
  await writeFile(file, image);
  return operator(
    "release",
    "publish",
    file,
    "--model",
    model,
    "--hardware",
    "r1",
    "--version",
    version,
    "--counter",
    "2",
  );
};

test("ok/the three exchanges, with a renewal between, over the deployed stack", async () => {
  const model = `exchanges-${randomBytes(4).toString("hex")}`;
  const { device, ports } = await bootstrapped();
  const deviceId = device.status().deviceId ?? "";

  await device.register({ ...registration, model });
  expect(await device.checkFirmware()).toBeNull();

  const image = randomBytes(300_001);
  await publish(model, image, "2.0.0");
  expect(await device.updateFirmware()).toMatchObject({ version: "2.0.0", counter: 2 });
  expect(Buffer.from(await ports.slots.read(0, image.length))).toEqual(image);
  ports.slots.boot();
  expect(await device.confirmBoot()).toBe("installed");
  expect(await device.checkFirmware()).toBeNull();

  const before = await ports.keys.load("current");
  await device.renewKeys();
  expect(await ports.keys.load("current")).not.toBe(before);
  await device.register({ ...registration, model, firmware: { version: "2.0.0", counter: 2 } });

  const keys = await ports.keys.load("current");
  if (!keys) throw new Error("no keys");
  const print = async ({ publicKey }: CryptoKeyPair) =>
    thumbprint(toSigningJwk({ ...(await crypto.subtle.exportKey("jwk", publicKey)) }));
  const about = { sub: deviceId, signingKey: await print(keys.signing), encryptionKey: await print(keys.encryption) };
  const { receipt } = await device.deregister();
  expect(await openReceipt(receipt, (await publicDocuments()).trust, about)).toMatchObject({ type: "deregistration" });
  expect(await ports.keys.load("current")).toBeNull();

  const window = await windowOf(deviceId);
  expect(window).toMatchObject({ status: "deregistered", revision: window["high"] });
  const actions = (await journalOf(deviceId)).map(({ action }) => action);
  expect(actions.filter((action) => action === "device.deregistered")).toHaveLength(1);
  const shown = await operator("device", "show", deviceId);
  expect(JSON.stringify(shown)).toContain("deregistered");
});

test("fails/an image for other hardware is not offered", async () => {
  const model = `hardware-${randomBytes(4).toString("hex")}`;
  await publish(model, randomBytes(10), "9.0.0");
  const { device } = await bootstrapped();
  await device.register({ ...registration, model, hardware: "r2" });
  expect(await device.checkFirmware()).toBeNull();
});
