import { constants, gunzipSync, gzipSync } from "node:zlib";

import { limits } from "@sealpost/protocol/limits.ts";

import { type HttpAnswer, textAnswer } from "../lambda/http.ts";

/** A body in the content coding gzip (RFC 9110 §8.4.1.3). Its mark is looked at, not the header, which a gateway may lose; no token begins so (RFC 1952 §2.3.1). */
export function isCoded(body: Uint8Array): boolean {
  return body[0] === 0x1f && body[1] === 0x8b;
}

/**
 * What was coded, up to what a token may have.
 * @returns `too-large` before more than that is unfolded; nothing for what is not gzip
 */
export function decodeBody(body: Uint8Array): Uint8Array | "too-large" {
  try {
    return gunzipSync(body, { maxOutputLength: limits.tokenBytes });
  } catch (error) {
    return error instanceof RangeError ? "too-large" : new Uint8Array();
  }
}

/** The answer to whoever sent gzip. A token is text in 64 characters without any repetition: only their code is worth its time. */
export function codedAnswer(contentType: string, text: string): HttpAnswer {
  const answer = textAnswer(contentType, gzipSync(text, { strategy: constants.Z_HUFFMAN_ONLY }).toString("base64"));
  return { ...answer, headers: { ...answer.headers, "content-encoding": "gzip" }, isBase64Encoded: true };
}
