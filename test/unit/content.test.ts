import fc from "fast-check";
import { contentCipher, openContent } from "@sealpost/protocol/content/aes128gcm.ts";
import { nodeEngine, webCryptoEngine } from "@sealpost/protocol/content/engine.ts";
import { describe, expect, test } from "vitest";

import { encryptContent } from "../device/support/release.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "base64url"));

/** Record by record, from any of them. */
async function openFrom(start: number, content: Uint8Array, key: Uint8Array, recordSize: number, size: number) {
  const cipher = await openContent(new Uint8Array(key), content.slice(0, 21), recordSize - 17);
  const data = recordSize - 17;
  const count = Math.ceil(size / data);
  const parts: Uint8Array[] = [];
  for (let index = start; index < count; index += 1) {
    const at = 21 + index * recordSize;
    const length = Math.min(data, size - index * data) + 17;
    const part = await cipher?.open(index, content.slice(at, at + length), index === count - 1);
    if (!part) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

describe("against an independent encoder", () => {
  test("ok/any size, record size and starting record", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 400 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.integer({ min: 18, max: 120 }),
        fc.nat(),
        fc.constantFrom("marked", "appended"),
        async (plain, key, recordSize, anywhere, ending) => {
          const content = encryptContent(plain, key, recordSize, ending);
          const data = recordSize - 17;
          const start = anywhere % Math.ceil(plain.length / data);
          const opened = await openFrom(start, content, key, recordSize, plain.length);
          expect(opened).toEqual(Buffer.from(plain.subarray(start * data)));
        },
      ),
      { numRuns: 150 },
    );
  });

  test("fails/any flipped bit of any record, and records in another place", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 0, max: 7 }), async (position, bit) => {
        const plain = new Uint8Array(100).fill(7);
        const key = new Uint8Array(32).fill(1);
        const content = encryptContent(plain, key, 57);
        const at = 21 + (position % (content.length - 21));
        const damaged = content.slice();
        damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
        expect(await openFrom(0, damaged, key, 57, plain.length)).toBeNull();
      }),
      { numRuns: 100 },
    );
    const key = new Uint8Array(32).fill(1);
    const content = encryptContent(new Uint8Array(120), key, 57);
    const swapped = Buffer.concat([
      content.subarray(0, 21),
      content.subarray(78, 135),
      content.subarray(21, 78),
      content.subarray(135),
    ]);
    expect(await openFrom(0, new Uint8Array(swapped), key, 57, 120)).toBeNull();
  });
});

test("ok/both engines seal alike, open each other's records, and refuse what is damaged", async () => {
  const node = nodeEngine();
  if (!node) throw new Error("Node has node:crypto");
  const ciphers = [webCryptoEngine, node].map((engine) =>
    contentCipher(new Uint8Array(32).fill(3), new Uint8Array(16).fill(5), 100, engine),
  );
  const [web, own] = await Promise.all(ciphers);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), fc.nat(2 ** 31), fc.boolean(), async (data, index, last) => {
      const record = await own?.seal(index, data, last);
      expect(record).toEqual(await web?.seal(index, data, last));
      if (!record) throw new Error("no record");
      const opened = await own?.open(index, record, last);
      expect(Buffer.from(opened ?? [])).toEqual(Buffer.from((await web?.open(index, record, last)) ?? []));
      expect(Buffer.from(opened ?? [])).toEqual(Buffer.from(data));
      record[record.length - 1] = (record.at(-1) ?? 0) ^ 1;
      expect(await own?.open(index, record, last)).toBeNull();
      expect(await web?.open(index, record, last)).toBeNull();
      expect(await own?.open(index, record.subarray(0, 15), last)).toBeNull();
    }),
    { numRuns: 50 },
  );
  const digests = [webCryptoEngine, node].map((engine) => engine.sha256(new Uint8Array(100)));
  expect((await Promise.all(digests)).map((digest) => Buffer.from(digest).toString("hex"))).toEqual(
    Array.from({ length: 2 }, () => "cd00e292c5970d3c5e2f0ffa5171e555bc46bfc4faddfb4a418b6840b86e79a3"),
  );
});

test("ok/RFC 8188 §3.1, the standard's own example", async () => {
  const content = bytes("I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg");
  const cipher = await openContent(bytes("yqdlZ-tYemfogSmv7Ws5PQ"), content.slice(0, 21), 4096 - 17);
  const data = await cipher?.open(0, content.slice(21), true);
  expect(Buffer.from(data ?? []).toString()).toBe("I am the walrus");
});

test("fails/a header with another record size or a key id", async () => {
  const header = new Uint8Array(21);
  header.set([0, 0, 0x10, 0], 16);
  expect(await openContent(new Uint8Array(32), header, 4096 - 17)).not.toBeNull();
  expect(await openContent(new Uint8Array(32), header, 4097 - 17)).toBeNull();
  header[20] = 1;
  expect(await openContent(new Uint8Array(32), header, 4096 - 17)).toBeNull();
});

test("fails/a truncated content passed off as a whole one", async () => {
  const key = new Uint8Array(32).fill(1);
  const content = encryptContent(new Uint8Array(100), key, 57);
  // The first record as the last of a 30-byte image: shorter than a full record, so it must say that it is the last.
  const cipher = await openContent(key, content.slice(0, 21), 58 - 17);
  expect(cipher).toBeNull();
  const same = await openContent(key, content.slice(0, 21), 57 - 17);
  expect(await same?.open(2, content.slice(135, 135 + 37), false)).toBeNull();
  expect(await same?.open(2, content.slice(135, 135 + 37), true)).not.toBeNull();
});
