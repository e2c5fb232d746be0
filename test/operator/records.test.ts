import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createHash, randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { contentBytes, contentCipher, countRecords } from "@sealpost/protocol/content/aes128gcm.ts";
import { recordListBytes } from "@sealpost/protocol/content/record-list.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { type Image, openImage } from "../../operator/firmware/image.ts";
import { listRecords } from "../device/support/release.ts";
import { digestImage, sealImage } from "../../operator/firmware/seal-image.ts";

const recordBytes = 65_536;
const contentKey = () => new Uint8Array(Buffer.alloc(32, 3));
const salt = () => new Uint8Array(Buffer.alloc(16, 5));
const ignore = () => undefined;
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("base64url");

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sealpost-image-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function fileOf(bytes: Uint8Array): Promise<Image> {
  const path = join(folder, "image.bin");
  await writeFile(path, bytes);
  return openImage(path);
}

async function encrypt(image: Image): Promise<Buffer> {
  const cipher = await contentCipher(contentKey(), salt(), image.recordBytes);
  const digests = await digestImage(image, cipher, ignore);
  const parts: Uint8Array[] = [];
  for await (const part of sealImage(image, cipher, digests, ignore)) parts.push(part);
  return Buffer.concat(parts);
}

/** RFC 8188 from its text, without a line of the code under test. */
async function decrypt(
  encrypted: Buffer,
  key: Uint8Array<ArrayBuffer>,
): Promise<{ plaintext: Buffer; records: number }> {
  const saltRead = new Uint8Array(encrypted.subarray(0, 16));
  const recordSize = encrypted.readUInt32BE(16);
  const idLength = encrypted.readUInt8(20);
  const hkdf = await crypto.subtle.importKey("raw", key, "HKDF", false, ["deriveBits"]);
  const derive = (info: string, bits: number) =>
    crypto.subtle.deriveBits(
      { name: "HKDF", hash: "SHA-256", salt: saltRead, info: Buffer.from(`${info}\0`) },
      hkdf,
      bits,
    );
  const aes = await crypto.subtle.importKey("raw", await derive("Content-Encoding: aes128gcm", 128), "AES-GCM", false, [
    "decrypt",
  ]);
  const base = BigInt(`0x${Buffer.from(await derive("Content-Encoding: nonce", 96)).toString("hex")}`);
  const plain: Buffer[] = [];
  let records = 0;
  for (let at = 21 + idLength; at < encrypted.length; at += recordSize) {
    const iv = Buffer.from((base ^ BigInt(records)).toString(16).padStart(24, "0"), "hex");
    const record = encrypted.subarray(at, at + recordSize);
    const opened = Buffer.from(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, aes, new Uint8Array(record)));
    const end = opened.findLastIndex((octet) => octet !== 0);
    expect(opened[end]).toBe(at + recordSize >= encrypted.length ? 2 : 1);
    plain.push(opened.subarray(0, end));
    records += 1;
  }
  return { plaintext: Buffer.concat(plain), records };
}

describe("an encrypted image", () => {
  test.each([
    ["one octet", 1, 1],
    ["one octet less than a chunk", recordBytes - 1, 1],
    ["exactly one chunk", recordBytes, 1],
    ["one octet more", recordBytes + 1, 2],
    ["whole chunks", 3 * recordBytes, 3],
    ["300 chunks and a bit", 300 * recordBytes + 77, 301],
  ])("ok/%s: one record for each chunk, read back by RFC 8188", async (_, size, records) => {
    const bytes = randomBytes(size);
    const image = await fileOf(bytes);
    const encrypted = await encrypt(image);
    expect(encrypted.length).toBe(image.encryptedBytes);
    expect(encrypted.readUInt32BE(16)).toBe(recordBytes + 17);
    expect(encrypted[20]).toBe(0);
    const read = await decrypt(encrypted, contentKey());
    expect(read.records).toBe(records);
    expect(read.plaintext.equals(bytes)).toBe(true);
  });

  test("fails/with another content key, or if a bit changed", async () => {
    const encrypted = await encrypt(await fileOf(randomBytes(1_000)));
    await expect(decrypt(encrypted, new Uint8Array(32))).rejects.toMatchObject({ name: "OperationError" });
    encrypted[500] = (encrypted[500] ?? 0) ^ 1;
    await expect(decrypt(encrypted, contentKey())).rejects.toMatchObject({ name: "OperationError" });
  });

  test("ok/RFC 8188 §3.1: the example of its text", async () => {
    const key = new Uint8Array(Buffer.from("yqdlZ-tYemfogSmv7Ws5PQ", "base64url"));
    const example = Buffer.from("I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg", "base64url");
    const cipher = await contentCipher(key, new Uint8Array(example.subarray(0, 16)), 4_096 - 17);
    const sealed = await cipher.seal(0, Buffer.from("I am the walrus"), true);
    expect(Buffer.concat([cipher.header, sealed]).toString("base64url")).toBe(example.toString("base64url"));
  });
});

test("ok/the digests are of the image, of each encrypted record and of what is uploaded", async () => {
  const bytes = randomBytes(2 * recordBytes + 9);
  const image = await fileOf(bytes);
  const cipher = await contentCipher(contentKey(), salt(), image.recordBytes);
  const digests = await digestImage(image, cipher, ignore);
  expect(digests.image).toBe(sha256(bytes));
  const encrypted = await encrypt(image);
  expect(digests.records).toEqual(listRecords(encrypted, recordBytes + 17));
  expect(digests.records).toHaveLength(3 * 32);
  expect(digests.encrypted.toString("base64url")).toBe(sha256(encrypted));
});

test("fails/a file that changed between the passes is not encrypted under the same key", async () => {
  const bytes = randomBytes(2 * recordBytes);
  const image = await fileOf(bytes);
  const cipher = await contentCipher(contentKey(), salt(), image.recordBytes);
  const digests = await digestImage(image, cipher, ignore);
  bytes[recordBytes] = (bytes[recordBytes] ?? 0) ^ 1;
  await writeFile(image.path, bytes);
  const parts = sealImage(image, cipher, digests, ignore);
  expect((await parts.next()).value?.length).toBe(21);
  expect((await parts.next()).value?.length).toBe(recordBytes + 17);
  await expect(parts.next()).rejects.toMatchObject({ code: "usage" });
});

test("fails/a file that became shorter", async () => {
  const image = await fileOf(randomBytes(recordBytes + 5));
  await writeFile(image.path, randomBytes(recordBytes));
  await expect(encrypt(image)).rejects.toMatchObject({ code: "usage" });
});

test("ok/the largest image in the smallest records has a list of 32 MiB", () => {
  const { imageBytes, recordBytes: bytes } = limits.firmware;
  expect(countRecords(imageBytes, bytes.least)).toBe(1_048_576);
  expect(recordListBytes(imageBytes, bytes.least)).toBe(33_554_432);
  expect(contentBytes(imageBytes, bytes.least)).toBe(1_091_567_637);
});

test.each([
  ["is not there", "nothing.bin"],
  ["is a folder", "."],
])("fails/an image that %s", async (_, name) => {
  await expect(openImage(join(folder, name))).rejects.toMatchObject({ code: "usage" });
});

test("fails/an empty image", async () => {
  await expect(fileOf(Buffer.alloc(0))).rejects.toMatchObject({ code: "usage" });
});
