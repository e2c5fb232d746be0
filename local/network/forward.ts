import { Agent, type IncomingMessage, request, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";

import { loopback } from "../emulator/loopback.ts";
import { sendProblem } from "./problem.ts";

export type Upstream = {
  readonly port: number;
  /** The Host that the emulator routes by; SigV4 signs it, so a signed one must pass unchanged. */
  readonly host: string;
  readonly agent: Agent;
  /** Shown the answer's whole body, once it has passed. */
  readonly onAnswer?: (body: Buffer) => void;
};

/** Longer than the longest function may run (29 s behind an HTTP API). */
const replyTimeoutMilliseconds = 60_000;

/** RFC 9110 §7.6.1. Transfer-Encoding stays: it tells Node's client to frame the streamed body the same way. */
const hopByHop = new Set([
  "connection",
  "expect",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
]);

/** Idle connections are given up before the emulator closes them (75 s), or a request could meet a closing one. */
export function keepAliveAgent(): Agent {
  return new Agent({ keepAlive: true, timeout: 30_000 });
}

/** Streams one request to the upstream and its answer back: bytes, names, order and case of fields as they came. */
export function forward(incoming: IncomingMessage, outgoing: ServerResponse, upstream: Upstream): void {
  const onward = request({
    host: loopback,
    port: upstream.port,
    agent: upstream.agent,
    method: incoming.method,
    path: incoming.url,
    headers: ["Host", upstream.host, ...endToEnd(incoming.rawHeaders, new Set(["host"]))],
  });
  onward.setTimeout(replyTimeoutMilliseconds, () => onward.destroy(new Error("no answer in time")));
  onward.once("response", (reply) => {
    outgoing.writeHead(reply.statusCode ?? 502, reply.statusMessage, endToEnd(reply.rawHeaders));
    reply.once("error", () => outgoing.destroy());
    reply.pipe(outgoing);
    const { onAnswer } = upstream;
    if (onAnswer) buffer(reply).then(onAnswer, () => undefined);
  });
  onward.once("error", () => {
    if (outgoing.headersSent) outgoing.destroy();
    else sendProblem(outgoing, 502);
  });
  outgoing.once("close", () => onward.destroy());
  incoming.pipe(onward);
}

/** Raw header pairs without those that concern one hop, and without `omitted` (lower case). */
export function endToEnd(rawHeaders: readonly string[], omitted: ReadonlySet<string> = new Set()): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    const lower = name.toLowerCase();
    if (!hopByHop.has(lower) && !omitted.has(lower)) kept.push(name, rawHeaders[index + 1] ?? "");
  }
  return kept;
}
