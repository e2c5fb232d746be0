import { limits } from "@sealpost/protocol/limits.ts";

import type { HttpStream, MessageTransport } from "../ports.ts";
import { readAll } from "../read-all.ts";
import { unreachable } from "./unreachable.ts";

/**
 * Messages over `fetch`: no redirect, no cache, bounded in size and time.
 * @param input.timeoutSeconds for an answer to begin, and then for each piece of it
 */
export function fetchMessageTransport(input: { readonly timeoutSeconds?: number } = {}): MessageTransport {
  const timeoutSeconds = input.timeoutSeconds ?? 30;
  return {
    async post(url, token) {
      const abort = new AbortController();
      const headers = { "content-type": "application/jose", accept: "application/jose, application/problem+json" };
      const response = await request(url, abort, timeoutSeconds, { method: "POST", headers, body: token });
      const pieces = readPieces(response, url, abort, timeoutSeconds);
      return {
        status: response.status,
        contentType: response.headers.get("content-type") ?? "",
        body: await bounded(readAll(pieces, limits.tokenBytes), url),
      };
    },
    async get(url, range) {
      const abort = new AbortController();
      // With a Range, fetch itself asks for no content-coding, which would shift the offsets (Fetch §4.6).
      const headers = range && { range: `bytes=${range.first}-${range.last ?? ""}` };
      const response = await request(url, abort, timeoutSeconds, headers ? { headers } : {});
      const body = readPieces(response, url, abort, timeoutSeconds);
      return { status: response.status, first: firstByte(response), body };
    },
  };
}

async function request(url: string, abort: AbortController, seconds: number, init: RequestInit): Promise<Response> {
  const options: RequestInit = {
    ...init,
    redirect: "error",
    cache: "no-store",
    credentials: "omit",
    signal: abort.signal,
  };
  return within(seconds, abort, url, fetch(url, options));
}

/** RFC 9110 §14.4: where the body starts; a server that ignores Range sends the whole. */
function firstByte({ status, headers }: Response): HttpStream["first"] {
  const range = /^bytes (\d{1,15})-/.exec(headers.get("content-range") ?? "");
  return status === 206 ? Number(range?.[1] ?? Infinity) : 0;
}

async function* readPieces(
  { body }: Response,
  url: string,
  abort: AbortController,
  seconds: number,
): AsyncGenerator<Uint8Array> {
  const reader = body?.getReader();
  try {
    for (;;) {
      const piece = reader && (await within(seconds, abort, url, reader.read()));
      if (!piece || piece.done) return;
      yield piece.value;
    }
  } finally {
    abort.abort();
  }
}

/** @throws DeviceError `unreachable` */
async function within<T>(seconds: number, abort: AbortController, url: string, work: Promise<T>): Promise<T> {
  const timer = setTimeout(() => abort.abort(), seconds * 1000);
  try {
    return await work;
  } catch (cause) {
    throw unreachable(new URL(url), abort.signal.aborted ? `no answer within ${seconds} s` : reasonOf(cause), cause);
  } finally {
    clearTimeout(timer);
  }
}

async function bounded<T>(work: Promise<T>, url: string): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw unreachable(new URL(url), cause.message, cause);
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
