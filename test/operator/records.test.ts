import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createHash, randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { contentCipher } from "@sealpost/protocol/content/aes128gcm.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { type Image, cut, openImage } from "../../operator/firmware/image.ts";
import { digestImage, sealImage } from "../../operator/firmware/seal-image.ts";

const chunkBytes = 65_536;
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
  const cipher = await contentCipher(contentKey(), salt(), image.chunkBytes);
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
    ["one octet less than a chunk", chunkBytes - 1, 1],
    ["exactly one chunk", chunkBytes, 1],
    ["one octet more", chunkBytes + 1, 2],
    ["whole chunks", 3 * chunkBytes, 3],
    ["300 chunks and a bit", 300 * chunkBytes + 77, 301],
  ])("ok/%s: one record for each chunk, read back by RFC 8188", async (_, size, records) => {
    const bytes = randomBytes(size);
    const image = await fileOf(bytes);
    const encrypted = await encrypt(image);
    expect(encrypted.length).toBe(image.encryptedBytes);
    expect(encrypted.readUInt32BE(16)).toBe(chunkBytes + 17);
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

  test("RFC 8188 §3.1: the example of its text", async () => {
    const key = new Uint8Array(Buffer.from("yqdlZ-tYemfogSmv7Ws5PQ", "base64url"));
    const example = Buffer.from("I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg", "base64url");
    const cipher = await contentCipher(key, new Uint8Array(example.subarray(0, 16)), 4_096 - 17);
    const sealed = await cipher.seal(0, Buffer.from("I am the walrus"), true);
    expect(Buffer.concat([cipher.header, sealed]).toString("base64url")).toBe(example.toString("base64url"));
  });
});

test("the digests are of the image, of each chunk and of what is uploaded", async () => {
  const bytes = randomBytes(2 * chunkBytes + 9);
  const image = await fileOf(bytes);
  const cipher = await contentCipher(contentKey(), salt(), image.chunkBytes);
  const digests = await digestImage(image, cipher, ignore);
  expect(digests.image).toBe(sha256(bytes));
  expect(digests.chunks).toEqual(
    [0, 1, 2].map((chunk) => sha256(bytes.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes))),
  );
  expect(digests.encrypted.toString("base64url")).toBe(sha256(await encrypt(image)));
});

test("fails/a file that changed between the passes is not encrypted under the same key", async () => {
  const bytes = randomBytes(2 * chunkBytes);
  const image = await fileOf(bytes);
  const cipher = await contentCipher(contentKey(), salt(), image.chunkBytes);
  const digests = await digestImage(image, cipher, ignore);
  bytes[chunkBytes] = (bytes[chunkBytes] ?? 0) ^ 1;
  await writeFile(image.path, bytes);
  const parts = sealImage(image, cipher, digests, ignore);
  expect((await parts.next()).value?.length).toBe(21);
  expect((await parts.next()).value?.length).toBe(chunkBytes + 17);
  await expect(parts.next()).rejects.toMatchObject({ code: "usage" });
});

test("fails/a file that became shorter", async () => {
  const image = await fileOf(randomBytes(chunkBytes + 5));
  await writeFile(image.path, randomBytes(chunkBytes));
  await expect(encrypt(image)).rejects.toMatchObject({ code: "usage" });
});

test.each([
  [1, 65_536, 1],
  [1_024 * 65_536, 65_536, 1_024],
  [1_024 * 65_536 + 1, 131_072, 513],
  [1_073_741_824, 1_048_576, 1_024],
])("%i octets are cut into chunks of %i", (size, bytes, count) => {
  expect(cut(size)).toMatchObject({ chunkBytes: bytes, chunkCount: count });
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
