import { createHash, randomBytes } from "node:crypto";

import { expect, test } from "vitest";

import type { FirmwareSlots } from "../../device/ports.ts";
import { decrypt, download } from "./support/download.ts";
import { makeRelease } from "./support/release.ts";

const image = new Uint8Array(randomBytes(10_485_760));
const release = makeRelease(image);
const flash = new Uint8Array(image.length).fill(1);

/** A flash that costs one copy, and hashes as Node does. */
function slots(): FirmwareSlots {
  return {
    status: async () => ({ running: { version: "1.0.0", counter: 1 }, trial: false, next: null }),
    read: async () => new Uint8Array(),
    write: async (offset, bytes) => flash.set(bytes, offset),
    sha256: async (size) => new Uint8Array(createHash("sha256").update(flash.subarray(0, size)).digest()),
    markBootable: async () => {},
    confirm: async () => {},
  };
}

async function processorMilliseconds(work: () => Promise<void> | void): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

// The aim is 0.7 on a quiet machine; a copy of each record for each of its proofs makes 0.3.
test("ok/a download costs little more than the cryptography that it needs", { retry: 2 }, async () => {
  const least = { bare: Infinity, download: Infinity };
  for (let pass = 0; pass < 8; pass += 1) {
    least.bare = Math.min(least.bare, await processorMilliseconds(() => decrypt(release)));
    least.download = Math.min(least.download, await processorMilliseconds(() => download(release, slots())));
  }
  expect(least.bare / least.download).toBeGreaterThan(0.5);
});
