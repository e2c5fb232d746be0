import { createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";

import { recordOverheadBytes } from "@sealpost/protocol/content/aes128gcm.ts";
import { expect, test } from "vitest";

import { boundedTransport } from "../../device/delivery/bounded-transport.ts";
import { Patience } from "../../device/delivery/patience.ts";
import { downloadImage } from "../../device/firmware/download.ts";
import { toSettings } from "../../device/options.ts";
import type { FirmwareSlots, MessageTransport } from "../../device/ports.ts";
import { makeRelease } from "./support/release.ts";

const image = new Uint8Array(randomBytes(10_485_760));
const { claims, contentKey, encrypted, records } = makeRelease(image);
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

const messages: MessageTransport = {
  post: () => Promise.reject(new Error("nothing is posted")),
  get: async (url, range) => {
    const object = url.endsWith(".records") ? records : encrypted;
    return { status: range ? 206 : 200, first: range?.first ?? 0, body: pieces(object.subarray(range?.first ?? 0)) };
  },
};

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

async function download(): Promise<void> {
  const patience = new Patience(toSettings({}));
  const whole = await downloadImage({
    manifest: claims,
    contentKey: contentKey.toString("base64url"),
    recordList: "use",
    written: 0,
    urls: ["http://messages.test/firmware"],
    messages: boundedTransport(messages, patience),
    slots: slots(),
    patience,
    onWritten: async () => {},
    onProgress: () => {},
  });
  if (!whole) throw new Error("not whole");
}

/** AES-GCM and the two SHA-256, and nothing else. */
async function bareCryptography(): Promise<void> {
  const salt = encrypted.subarray(0, 16);
  const key = Buffer.from(hkdfSync("sha256", contentKey, salt, "Content-Encoding: aes128gcm\0", 16));
  const nonce = Buffer.from(hkdfSync("sha256", contentKey, salt, "Content-Encoding: nonce\0", 12));
  const last = nonce.readUInt32BE(8);
  const whole = createHash("sha256");
  const recordSize = claims.recordBytes + recordOverheadBytes;
  for (let index = 0, at = 21; at < encrypted.length; index += 1, at += recordSize) {
    const record = encrypted.subarray(at, at + recordSize);
    createHash("sha256").update(record).digest();
    nonce.writeUInt32BE((last ^ index) >>> 0, 8);
    const decipher = createDecipheriv("aes-128-gcm", key, nonce);
    decipher.setAuthTag(record.subarray(-16));
    whole.update(decipher.update(record.subarray(0, -16)).subarray(0, -1));
    decipher.final();
  }
  whole.digest();
}

async function processorMilliseconds(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

// The aim is 0.7 on a quiet machine; a copy of each record for each of its proofs makes 0.3.
test("ok/a download costs little more than the cryptography that it needs", { retry: 2 }, async () => {
  const least = { bare: Infinity, download: Infinity };
  for (let pass = 0; pass < 8; pass += 1) {
    least.bare = Math.min(least.bare, await processorMilliseconds(bareCryptography));
    least.download = Math.min(least.download, await processorMilliseconds(download));
  }
  expect(least.bare / least.download).toBeGreaterThan(0.5);
});
