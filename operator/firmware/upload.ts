import { Readable } from "node:stream";

import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

import { awsFault, clientConfiguration } from "../aws-access.ts";
import { isOperatorFault } from "../fault.ts";
import type { Stack } from "../stack.ts";

export type Upload = {
  readonly object: string;
  readonly bytes: number;
  readonly sha256: Buffer;
  /** Makes the body anew, the same each time. */
  body(): AsyncGenerator<Uint8Array>;
};

const attempts = 3;
/** Of a single write: an image of 1 GiB at 2.5 Mbit/s takes an hour. */
const requestTimeout = 3_600_000;

/**
 * Puts one object below `firmware/`. Its name is used once, so caches may keep it for ever. `Content-Encoding` is not set: devices ask for
 * ranges of the encrypted bytes, and no cache should think of decoding them.
 */
export async function uploadObject(stack: Stack, upload: Upload): Promise<void> {
  const configuration = clientConfiguration(stack.access);
  const s3 = new S3Client({
    ...configuration,
    requestHandler: { ...configuration.requestHandler, requestTimeout },
    forcePathStyle: stack.access.local !== undefined,
    // The SHA-256 below is checked by S3; a checksum that the SDK appends would change the framing.
    requestChecksumCalculation: "WHEN_REQUIRED",
    // A stream cannot be sent again by the SDK: the attempts are here.
    maxAttempts: 1,
  });
  // Signs the body's digest, so that the body is bound to the signature over any transport and need not be read to be signed.
  s3.middlewareStack.add(
    (next) => async (args) => {
      const { request } = args;
      if (typeof request === "object" && request !== null && "headers" in request && isHeaders(request.headers)) {
        request.headers["x-amz-content-sha256"] = upload.sha256.toString("hex");
      }
      return next(args);
    },
    { step: "build", name: "payloadDigest" },
  );
  for (let attempt = 1; ; attempt += 1) {
    try {
      await s3.send(
        new PutObjectCommand({
          Bucket: stack.outputs.FirmwareBucket,
          Key: `firmware/${upload.object}`,
          Body: Readable.from(upload.body(), { objectMode: false }),
          ContentLength: upload.bytes,
          ContentType: "application/octet-stream",
          CacheControl: "public, max-age=31536000, immutable",
          ChecksumSHA256: upload.sha256.toString("base64"),
        }),
      );
      return;
    } catch (error) {
      if (isOperatorFault(error)) throw error;
      const fault = awsFault(error, `upload firmware/${upload.object}`, "ReleasingPolicyArn", stack);
      if (fault.code !== "unavailable" || attempt === attempts) throw fault;
    }
  }
}

function isHeaders(value: unknown): value is Record<string, string> {
  return typeof value === "object" && value !== null;
}
