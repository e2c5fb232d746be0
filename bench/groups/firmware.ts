import { createDecipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { contentHeaderBytes, recordOverheadBytes } from "@sealpost/protocol/content/aes128gcm.ts";

import { fileFirmwareSlots } from "../../device/adapters/file-firmware-slots.ts";
import { memoryFirmwareSlots } from "../../device/adapters/memory-firmware-slots.ts";
import { boundedTransport } from "../../device/delivery/bounded-transport.ts";
import { Patience } from "../../device/delivery/patience.ts";
import { downloadImage } from "../../device/firmware/download.ts";
import { toSettings } from "../../device/options.ts";
import type { FirmwareSlots, MessageTransport } from "../../device/ports.ts";
import { makeRelease } from "../../test/device/support/release.ts";
import { leastMicroseconds } from "../measure.ts";
import { type Row, toRow } from "../row.ts";

const group = "firmware";
const mebi = 1_048_576;
const imageBytes = 16 * mebi;
/** A turn is a whole download: few of them are long enough. */
const passes = { passes: 8, sliceMilliseconds: 1, warmUps: 2 };
const running = { version: "1.0.0", counter: 1 };

type Release = ReturnType<typeof makeRelease>;

/** A download beside the cryptography that it needs, and beside that and the same bytes in a plain file. */
export async function firmware(): Promise<Row[]> {
  const release = makeRelease(new Uint8Array(randomBytes(imageBytes)));
  const folder = await mkdtemp(join(tmpdir(), "sealpost-firmware-"));
  try {
    const files = fileFirmwareSlots(join(folder, "slots"));
    await files.install(running);
    const memory = memoryFirmwareSlots(running);
    const plain = join(folder, "plain.bin");
    const least = await leastMicroseconds(
      {
        bare: { run: () => decrypt(release) },
        plainFile: { run: () => intoFile(release, plain) },
        memory: { run: () => download(release, memory) },
        files: { run: () => download(release, files) },
      },
      passes,
    );
    const speed = (microseconds: number) => (imageBytes / mebi / microseconds) * 1e6;
    const figure = (name: string, ours: number, peerName: string, peer: number, least?: number) =>
      toRow({
        group,
        name,
        unit: "MiB/s",
        ours: speed(ours),
        peer: [peerName, speed(peer)],
        aim: least === undefined ? undefined : { of: "ratio", least },
      });
    const cryptography = "AES-GCM and two SHA-256";
    return [
      figure("firmware download, memory", least.memory, cryptography, least.bare, 0.7),
      figure("firmware download, file slots", least.files, cryptography, least.bare),
      figure("firmware download, file slots", least.files, `${cryptography}, a file`, least.plainFile, 0.7),
    ];
  } finally {
    await rm(folder, { recursive: true, maxRetries: 5 });
  }
}

async function download({ claims, contentKey, encrypted, records }: Release, slots: FirmwareSlots): Promise<void> {
  const messages: MessageTransport = {
    post: () => Promise.reject(new Error("nothing is posted")),
    get: async (url, range) => {
      const object = url.endsWith(".records") ? records : encrypted;
      const first = range?.first ?? 0;
      return { status: range ? 206 : 200, first, body: pieces(object.subarray(first)) };
    },
  };
  const patience = new Patience(toSettings({}));
  // What the turn before left is not kept: a first byte of another image.
  await slots.write(0, new Uint8Array(1));
  const whole = await downloadImage({
    manifest: claims,
    contentKey: contentKey.toString("base64url"),
    recordList: "use",
    written: 0,
    urls: ["http://messages.test/firmware"],
    messages: boundedTransport(messages, patience),
    slots,
    patience,
    onWritten: async () => {},
    onProgress: () => {},
  });
  if (!whole) throw new Error("not whole");
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

/** AES-GCM and the SHA-256 of each record. */
function openRecords({ claims, contentKey, encrypted }: Release, take: (data: Uint8Array) => void): void {
  const salt = encrypted.subarray(0, 16);
  const key = Buffer.from(hkdfSync("sha256", contentKey, salt, "Content-Encoding: aes128gcm\0", 16));
  const nonce = Buffer.from(hkdfSync("sha256", contentKey, salt, "Content-Encoding: nonce\0", 12));
  const last = nonce.readUInt32BE(8);
  const recordSize = claims.recordBytes + recordOverheadBytes;
  for (let index = 0, at = contentHeaderBytes; at < encrypted.length; index += 1, at += recordSize) {
    const record = encrypted.subarray(at, at + recordSize);
    createHash("sha256").update(record).digest();
    nonce.writeUInt32BE((last ^ index) >>> 0, 8);
    const decipher = createDecipheriv("aes-128-gcm", key, nonce);
    decipher.setAuthTag(record.subarray(-16));
    take(decipher.update(record.subarray(0, -16)).subarray(0, -1));
    decipher.final();
  }
}

function decrypt(release: Release): void {
  const whole = createHash("sha256");
  openRecords(release, (data) => whole.update(data));
  whole.digest();
}

/** One write for each record, one sync at the end, and read once for the digest of the whole. */
function intoFile(release: Release, path: string): void {
  const file = openSync(path, "w+");
  try {
    openRecords(release, (data) => writeSync(file, data));
    fdatasyncSync(file);
    const part = Buffer.alloc(mebi);
    const whole = createHash("sha256");
    for (let at = 0; at < imageBytes; at += part.length)
      whole.update(part.subarray(0, readSync(file, part, 0, part.length, at)));
    whole.digest();
  } finally {
    closeSync(file);
  }
}
