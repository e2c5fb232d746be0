import { createDecipheriv, createHash, hkdfSync } from "node:crypto";

import { contentHeaderBytes, recordOverheadBytes } from "@sealpost/protocol/content/aes128gcm.ts";

import { boundedTransport } from "../../../device/delivery/bounded-transport.ts";
import { Patience } from "../../../device/delivery/patience.ts";
import { downloadImage } from "../../../device/firmware/download.ts";
import { toSettings } from "../../../device/options.ts";
import type { FirmwareSlots, MessageTransport } from "../../../device/ports.ts";
import type { makeRelease } from "./release.ts";

export type Release = ReturnType<typeof makeRelease>;

/** Downloads a release from memory, whole. */
export async function download(
  { claims, contentKey, encrypted, records }: Release,
  slots: FirmwareSlots,
): Promise<void> {
  const messages: MessageTransport = {
    post: () => Promise.reject(new Error("nothing is posted")),
    get: async (url, range) => {
      const object = url.endsWith(".records") ? records : encrypted;
      const first = range?.first ?? 0;
      return { status: range ? 206 : 200, first, body: pieces(object.subarray(first)) };
    },
  };
  const patience = new Patience(toSettings({}));
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

/** The cryptography that a download needs, and nothing else: AES-GCM and SHA-256 of each record. What is taken of them is the caller's. */
export function openRecords({ claims, contentKey, encrypted }: Release, take: (data: Uint8Array) => void): void {
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

/** That, and the SHA-256 of the whole. */
export function decrypt(release: Release): void {
  const whole = createHash("sha256");
  openRecords(release, (data) => whole.update(data));
  whole.digest();
}
