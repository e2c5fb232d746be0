import { createCipheriv, createHash, hkdfSync, randomBytes } from "node:crypto";

import type { ManifestClaims } from "@sealpost/protocol/exchanges/firmware.ts";
import { signManifest } from "@sealpost/protocol/documents/manifest.ts";
import type { Signer } from "@sealpost/protocol/token/jws.ts";

import { withRelease, withoutRelease } from "../../../functions/releases/offers.ts";
import {
  type OffersRecord,
  type ReleaseRecord,
  offersRecordSchema,
  parseRecord,
} from "../../../functions/store/records.ts";
import { present, serviceId } from "../../support/service.ts";
import type { Bench } from "./bench.ts";

const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("base64url");

/** An image, encrypted by an independent implementation, and its manifest. */
export function makeRelease(image: Uint8Array, change: Partial<ManifestClaims> = {}) {
  const { recordBytes = 65_536 } = change;
  const contentKey = randomBytes(32);
  const encrypted = encryptContent(image, contentKey, recordBytes + 17);
  const records = listRecords(encrypted, recordBytes + 17);
  const claims: ManifestClaims = {
    iss: serviceId,
    iat: present,
    exp: present + 86_400,
    model: "meter",
    hardware: ["r1", "r2"],
    version: "2.0.0",
    counter: 2,
    size: image.length,
    sha256: digest(image),
    recordBytes,
    recordsSha256: digest(records),
    object: randomBytes(16).toString("base64url"),
    ...change,
  };
  return { claims, contentKey, encrypted, records };
}

/** The object beside the image. */
export function listRecords(encrypted: Uint8Array, recordSize: number): Buffer {
  const digests: Buffer[] = [];
  for (let at = 21; at < encrypted.length; at += recordSize) {
    digests.push(
      createHash("sha256")
        .update(encrypted.subarray(at, at + recordSize))
        .digest(),
    );
  }
  return Buffer.concat(digests);
}

/**
 * RFC 8188 by OpenSSL through node:crypto, written from the standard's text; the device uses WebCrypto.
 * @param ending where whole records end the image: the last of them says so (`marked`), or an empty record follows (`appended`), as from
 *   encoders that stream
 */
export function encryptContent(
  plain: Uint8Array,
  key: Uint8Array,
  recordSize: number,
  ending: "marked" | "appended" = "marked",
): Uint8Array<ArrayBuffer> {
  const salt = randomBytes(16);
  const cek = Buffer.from(hkdfSync("sha256", key, salt, "Content-Encoding: aes128gcm\0", 16));
  const nonce = BigInt(
    `0x${Buffer.from(hkdfSync("sha256", key, salt, "Content-Encoding: nonce\0", 12)).toString("hex")}`,
  );
  const size = Buffer.alloc(5);
  size.writeUInt32BE(recordSize);
  const data = recordSize - 17;
  const whole = plain.length % data === 0 && ending === "appended";
  const records = Math.max(1, Math.ceil(plain.length / data)) + (whole ? 1 : 0);
  const sealed = Array.from({ length: records }, (_, index) => {
    const iv = Buffer.from((nonce ^ BigInt(index)).toString(16).padStart(24, "0"), "hex");
    const cipher = createCipheriv("aes-128-gcm", cek, iv);
    const delimiter = Buffer.of(index === records - 1 ? 2 : 1);
    const text = [
      cipher.update(plain.subarray(index * data, (index + 1) * data)),
      cipher.update(delimiter),
      cipher.final(),
    ];
    return Buffer.concat([...text, cipher.getAuthTag()]);
  });
  return new Uint8Array(Buffer.concat([salt, size, ...sealed]));
}

/**
 * Publishes it for the bench's model, as the operator API does.
 * @param offered what the service takes it for; a hostile one need not go by the manifest
 */
export async function publishRelease(
  bench: Bench,
  { claims, contentKey, encrypted, records }: ReturnType<typeof makeRelease>,
  signer: Signer = bench.service.releaseKey,
  offered: { readonly counter: number; readonly exp: number } = claims,
): Promise<void> {
  const { version, model, hardware, size, sha256, object } = claims;
  const { counter, exp } = offered;
  const target = "meter#r2";
  const record: ReleaseRecord = {
    target,
    counter,
    revision: 0,
    at: `${new Date(present * 1000).toISOString()}#${object}`,
    release: { counter, version, model, hardware, size, sha256, object, exp },
    manifest: await signManifest(claims, [signer]),
    wrappedKey: Buffer.from(contentKey).toString("base64"),
    publishedBy: "arn:aws:iam::123456789012:user/operator",
  };
  const { store } = bench.service;
  const [item] = await store.read([{ table: "releases", key: { target, counter: 0 } }]);
  const before = item && parseRecord(offersRecordSchema, item);
  const offers: OffersRecord = {
    target,
    counter: 0,
    revision: (before?.revision ?? -1) + 1,
    highest: counter,
    offers: [...withRelease(before?.offers ?? [], offered, present)],
  };
  await store.write([
    { table: "releases", item: record, when: "absent" },
    { table: "releases", item: offers, when: before ? { revision: before.revision } : "absent" },
  ]);
  bench.objects.set(object, encrypted);
  bench.objects.set(`${object}.records`, records);
}

/** Withdraws it, as the operator API does. */
export async function withdrawRelease({ service: { store } }: Bench, counter: number): Promise<void> {
  const [item] = await store.read([{ table: "releases", key: { target: "meter#r2", counter: 0 } }]);
  const before = parseRecord(offersRecordSchema, item ?? {});
  const after = { ...before, revision: before.revision + 1, offers: [...withoutRelease(before.offers, counter)] };
  await store.write([{ table: "releases", item: after, when: { revision: before.revision } }]);
}
