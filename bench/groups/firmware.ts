import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { fileFirmwareSlots } from "../../device/adapters/file-firmware-slots.ts";
import { memoryFirmwareSlots } from "../../device/adapters/memory-firmware-slots.ts";
import type { FirmwareSlots } from "../../device/ports.ts";
import { type Release, decrypt, download, openRecords } from "../../test/device/support/download.ts";
import { makeRelease } from "../../test/device/support/release.ts";
import { leastMicroseconds } from "../measure.ts";
import { type Row, toRow } from "../row.ts";

const group = "firmware";
const mebi = 1_048_576;
const imageBytes = 16 * mebi;
/** A turn is a whole download: few of them are long enough. */
const passes = { passes: 8, sliceMilliseconds: 1, warmUps: 2 };
const running = { version: "1.0.0", counter: 1 };

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
        memory: { run: () => downloadAnew(release, memory) },
        files: { run: () => downloadAnew(release, files) },
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

/** What the turn before left is not kept: a first byte of another image. */
async function downloadAnew(release: Release, slots: FirmwareSlots): Promise<void> {
  await slots.write(0, new Uint8Array(1));
  await download(release, slots);
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
