import http, { type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import https from "node:https";
import { type Readable, pipeline } from "node:stream";
import { constants, createGunzip, gzipSync } from "node:zlib";

import { limits } from "@sealpost/protocol/limits.ts";

import type { MessageTransport, PortOptions } from "../ports.ts";
import { readAll } from "../read-all.ts";
import { firstByte } from "./content-range.ts";
import { errorCode } from "./durable-file.ts";
import { connectOptions } from "./node-agent.ts";
import { unreachable } from "./unreachable.ts";

/**
 * Messages over `node:http`, with the smallest head that HTTP allows: about 100 bytes where `fetch` sends 300, on links where each one counts. It
 * follows no redirect and is bounded in size. It takes HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the environment on Node 24.5 and later.
 * @param how `coding: "gzip"` saves a sixth of an exchange on a link that is known to carry bodies that are no text; the service answers alike. A base that
 * answers such a request with 400 or 415 is sent plain ones from then on.
 * @example
 * const ports = { keys, state, messages: nodeMessageTransport() };
 */
export function nodeMessageTransport(how: { readonly coding?: "gzip" } = {}): MessageTransport {
  const plainOnly = new Set<string>();
  const agents = new Map<string, http.Agent>();
  const agentFor = (url: URL) => {
    const known = agents.get(url.origin);
    if (known) return known;
    const { Agent } = url.protocol === "https:" ? https : http;
    const agent = new Agent({ keepAlive: true, ...connectOptions(url) });
    agents.set(url.origin, agent);
    return agent;
  };

  const send = async (
    target: string,
    sent: Sent,
    options: PortOptions = {},
    again = true,
  ): Promise<IncomingMessage> => {
    const url = new URL(target);
    const { request } = url.protocol === "https:" ? https : http;
    return new Promise((resolve, reject) => {
      const outgoing = request(url, {
        method: sent.method,
        agent: agentFor(url),
        setDefaultHeaders: false,
        headers: { Host: url.host, ...sent.headers },
      });
      // As an option of the request the signal would end the connection too, long after this request gave it back to the agent. No error is
      // given either: a connection that was given back has nobody who listens for one.
      const stop = () => outgoing.destroy();
      options.signal?.addEventListener("abort", stop);
      outgoing.on("close", () => options.signal?.removeEventListener("abort", stop));
      if (options.signal?.aborted) stop();
      outgoing.on("response", resolve);
      outgoing.on("error", (cause) => {
        // The server closed an idle connection just then; nothing was answered on it, and the same token may always be sent again.
        const isStale = outgoing.reusedSocket && again && !options.signal?.aborted && errorCode(cause) === "ECONNRESET";
        if (isStale) send(target, sent, options, false).then(resolve, reject);
        else reject(unreachable(url, reasonOf(cause), cause));
      });
      outgoing.end(sent.body);
    });
  };

  return {
    async post(url, token, options) {
      const coded = how.coding === "gzip" && !plainOnly.has(url);
      const body = coded ? gzipSync(token, { strategy: constants.Z_HUFFMAN_ONLY }) : token;
      const length = String(Buffer.byteLength(body));
      const coding = coded ? { "Content-Encoding": "gzip" } : {};
      const headers = { "Content-Type": "application/jose", ...coding, "Content-Length": length };
      const response = await send(url, { method: "POST", headers, body }, options);
      const { statusCode: status = 0, headers: answered } = response;
      if (coded && (status === 400 || status === 415)) plainOnly.add(url);
      return { status, contentType: answered["content-type"] ?? "", body: await readWhole(url, response) };
    },
    async get(url, range, options) {
      const headers = {
        // Any other coding would shift the offsets and hide the length.
        "Accept-Encoding": "identity",
        ...(range && { Range: `bytes=${range.first}-${range.last ?? ""}` }),
      };
      const response = await send(url, { method: "GET", headers }, options);
      const { statusCode: status = 0, headers: answered } = response;
      return { status, first: firstByte(status, answered["content-range"] ?? ""), body: readPieces(url, response) };
    },
  };
}

type Sent = { readonly method: string; readonly headers: OutgoingHttpHeaders; readonly body?: string | Uint8Array };

async function readWhole(url: string, response: IncomingMessage): Promise<Uint8Array<ArrayBuffer>> {
  const isCoded = response.headers["content-encoding"] === "gzip";
  const body = isCoded ? pipeline(response, createGunzip(), () => {}) : response;
  try {
    return await readAll(readPieces(url, body), limits.tokenBytes);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw unreachable(new URL(url), cause.message, cause);
  }
}

/** Breaking off the iteration destroys the connection. */
async function* readPieces(url: string, response: Readable): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of response) yield piece;
  } catch (cause) {
    throw unreachable(new URL(url), reasonOf(cause), cause);
  }
}

/** The system's short code; with several addresses the codes are in the list. */
function reasonOf(cause: unknown): string {
  return errorCode(cause) ?? errorCode(cause instanceof AggregateError && cause.errors[0]) ?? "the connection failed";
}
