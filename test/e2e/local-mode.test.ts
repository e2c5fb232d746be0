import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { expect, inject, test } from "vitest";

import { retireKey } from "../../local/emulator/retire-key.ts";
import { tellReason } from "../../local/reasons.ts";
import { repository } from "../../local/repository.ts";
import { bootstrapped, post, publicDocuments, rawDevice, registration, stack } from "./world.ts";

const stackFile = inject("stackFile");
const directory = dirname(stackFile);
const told = async () => {
  const log = await readFile(join(directory, "logs", "functions.log"), "utf8");
  return log.split("\n").flatMap((line) => tellReason(line) ?? []);
};

test("ok/why a message was refused, and why one was not accepted, is told at once", async () => {
  await post("a.b.c.d.e");
  const { exchange, deviceId } = await rawDevice();
  await exchange("reboot", {}, { seq: 1 });
  await expect.poll(told).toContainEqual(expect.stringMatching(/^messages: not-accepted · check: /));
  await expect.poll(told).toContainEqual(expect.stringMatching(`^messages: unsupported-operation .*${deviceId}`));
});

test("ok/a retired key: a device that holds the old one is told, and seals the same message anew", async () => {
  const { device } = await bootstrapped();
  await device.register(registration);
  const now = Date.now() / 1000;
  const before = (await publicDocuments()).keySet.serverKey(now);
  const logPath = join(directory, "logs", "deploy.log");
  await retireKey({ stack, stackFile, projectDirectory: repository, directory, logPath });
  const after = (await publicDocuments()).keySet.serverKey(now);
  expect(after?.kid).not.toBe(before?.kid);

  await device.register({ ...registration, capabilities: ["again"] });
  await expect.poll(told).toContainEqual(expect.stringContaining("messages: key-retired · check: retired-key"));
  // A device that starts from the new key needs no such answer.
  const { exchange } = await rawDevice();
  expect((await exchange("register", registration, { seq: 1 })).status).toBe("ok");
});
