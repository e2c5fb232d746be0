import { limits } from "@sealpost/protocol/limits.ts";

import type { MessageTransport, PortOptions } from "../ports.ts";
import { readAll } from "../read-all.ts";
import { firstByte } from "./content-range.ts";
import { unreachable } from "./unreachable.ts";

/**
 * Messages over `fetch`, for Deno, Bun and browsers; in Node, `nodeMessageTransport` sends fewer bytes. No redirect, no cache, bounded in size.
 * A proxy is the runtime's affair: Deno and Bun read HTTP_PROXY and HTTPS_PROXY by themselves, Node from 24 on with NODE_USE_ENV_PROXY=1.
 */
export function fetchMessageTransport(): MessageTransport {
  return {
    async post(url, token, options) {
      const headers = { "content-type": "application/jose" };
      const response = await request(url, { method: "POST", headers, body: token }, options);
      const body = await readBody(url, response);
      return { status: response.status, contentType: response.headers.get("content-type") ?? "", body };
    },
    async get(url, range, options) {
      // Any other coding would shift the offsets and hide the length. With a Range, fetch says so by itself (Fetch §4.6).
      const headers = range ? { range: `bytes=${range.first}-${range.last ?? ""}` } : { "accept-encoding": "identity" };
      const response = await request(url, { headers: { ...headers } }, options);
      return {
        status: response.status,
        first: firstByte(response.status, response.headers.get("content-range") ?? ""),
        body: readPieces(url, response),
      };
    },
  };
}

async function request(url: string, init: RequestInit, { signal }: PortOptions = {}): Promise<Response> {
  try {
    return await fetch(url, {
      ...init,
      redirect: "error",
      cache: "no-store",
      credentials: "omit",
      ...(signal && { signal }),
    });
  } catch (cause) {
    throw unreachable(new URL(url), reasonOf(cause), cause);
  }
}

async function readBody(url: string, response: Response): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readAll(readPieces(url, response), limits.tokenBytes);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw unreachable(new URL(url), cause.message, cause);
  }
}

async function* readPieces(url: string, { body }: Response): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader();
  try {
    for (;;) {
      const piece = await reader?.read();
      if (!piece || piece.done) return;
      yield piece.value;
    }
  } catch (cause) {
    throw unreachable(new URL(url), reasonOf(cause), cause);
  } finally {
    await reader?.cancel().catch(() => {});
  }
}

/** The system's short code if there is one (`ECONNREFUSED`); fetch hides it one or two causes down. */
function reasonOf(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ("code" in cause && typeof cause.code === "string") return cause.code;
    if (cause.message === "bad port") return "browsers and fetch refuse this port";
    if (/redirect/.test(cause.message)) return "it redirects, which is not followed";
  }
  return "the connection failed";
}
