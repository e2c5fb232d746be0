import { Agent, createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";

import { closeServer } from "./close-server.ts";
import { endToEnd, keepAliveAgent } from "./forward.ts";
import { listen } from "./listen.ts";
import { loopback } from "../emulator/loopback.ts";
import { sendProblem } from "./problem.ts";
import { flipBit, type RelayAct, relayPlan, type RelayShares } from "./relay-plan.ts";
import { plainPath } from "./request-path.ts";

export type RelayedRequest = {
  readonly method: string;
  readonly target: string;
  /** Name, value, name, value … as received. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
};

export type RelayedReply = {
  readonly status: number;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
};

/** One passage of the relay, with everything that it saw. */
export type RelayedExchange = {
  /** When its head arrived, milliseconds since the Unix epoch. */
  readonly at: number;
  /** When the upstream had answered, repeats included. */
  readonly until: number;
  readonly act: RelayAct;
  /** As the device sent it. */
  readonly request: RelayedRequest;
  /** What the relay sent on in its place, when it damaged the request. */
  readonly damagedRequest?: RelayedRequest;
  /** As the upstream answered. */
  readonly reply: RelayedReply;
  /** What the device got in its place, when the relay damaged the reply. */
  readonly damagedReply?: RelayedReply;
  /** The upstream's answer to the same bytes sent again. */
  readonly repeatedReply?: RelayedReply;
};

export type RelayCounts = {
  /** POST /messages that arrived, device retries included. */
  readonly messages: number;
  readonly repeated: number;
  readonly tampered: number;
  /** Messages, repeats included, that the upstream answered with a problem (RFC 9457) instead of a sealed reply. */
  readonly refused: number;
};

export type RelayOptions = RelayShares & {
  /** Base URL of the plain-HTTP message plane. */
  readonly upstream: string;
  readonly port?: number;
  /** Awaited before the first message is sent on. */
  readonly onFirstMessage?: () => void | Promise<void>;
};

export type Relay = {
  readonly url: string;
  readonly port: number;
  /** Completed passages, in order of completion; a live array. */
  readonly exchanges: readonly RelayedExchange[];
  counts(): RelayCounts;
  close(): Promise<void>;
};

const upstreamTimeoutMilliseconds = 60_000;
const problemType = "application/problem+json";

/**
 * An intermediate node that is against us: it keeps every byte of the message plane, and repeats or damages a seeded
 * share of the messages. The n-th message meets the same fate under the same seed, whatever else goes on.
 */
export async function startRelay(options: RelayOptions): Promise<Relay> {
  const upstream = new URL(options.upstream);
  const agent = keepAliveAgent();
  const plan = relayPlan(options);
  const exchanges: RelayedExchange[] = [];
  const counts = { messages: 0, repeated: 0, tampered: 0, refused: 0 };
  let beforeFirst: Promise<void> | undefined;

  const server = createServer((incoming, outgoing) => {
    relay(incoming, outgoing).catch(() => {
      if (outgoing.headersSent) outgoing.destroy();
      else sendProblem(outgoing, 502);
    });
  });

  async function relay(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const path = plainPath(incoming.url) ?? "";
    if (path !== "/messages" && path !== "/keys" && !path.startsWith("/firmware/")) {
      sendProblem(outgoing, 404);
      return;
    }
    const at = Date.now();
    const isMessage = path === "/messages" && incoming.method === "POST";
    const index = isMessage ? counts.messages++ : undefined;
    const request: RelayedRequest = {
      method: incoming.method ?? "GET",
      target: incoming.url ?? "/",
      rawHeaders: incoming.rawHeaders,
      body: await buffer(incoming),
    };
    if (index !== undefined) {
      beforeFirst ??= Promise.resolve(options.onFirstMessage?.());
      await beforeFirst;
    }
    const { act, position } = index === undefined ? { act: "none" as const, position: 0 } : plan(index);
    const damagedRequest = act === "damageRequest" ? { ...request, body: flipBit(request.body, position) } : undefined;
    const reply = await send(upstream, agent, damagedRequest ?? request);
    const repeatedReply = act === "repeat" ? await send(upstream, agent, request) : undefined;
    const damagedReply = act === "damageReply" ? { ...reply, body: flipBit(reply.body, position) } : undefined;
    if (index !== undefined) {
      if (act === "repeat") counts.repeated += 1;
      else if (act !== "none") counts.tampered += 1;
      counts.refused += [reply, repeatedReply].filter((each) => each && isProblem(each)).length;
    }
    exchanges.push({
      at,
      until: Date.now(),
      act,
      request,
      reply,
      ...(damagedRequest ? { damagedRequest } : {}),
      ...(damagedReply ? { damagedReply } : {}),
      ...(repeatedReply ? { repeatedReply } : {}),
    });
    const answer = damagedReply ?? reply;
    outgoing.writeHead(answer.status, endToEnd(answer.rawHeaders));
    outgoing.end(answer.body);
  }

  const port = await listen(server, options.port, "relay");
  return {
    url: `http://${loopback}:${port}`,
    port,
    exchanges,
    counts: () => ({ ...counts }),
    close: () => closeServer(server, agent),
  };
}

function send(upstream: URL, agent: Agent, request: RelayedRequest): Promise<RelayedReply> {
  return new Promise((resolve, reject) => {
    const call = httpRequest({
      host: upstream.hostname.replace(/^\[|\]$/gu, ""),
      port: upstream.port || 80,
      agent,
      method: request.method,
      path: request.target,
      headers: ["Host", upstream.host, ...endToEnd(request.rawHeaders, new Set(["host"]))],
    });
    call.setTimeout(upstreamTimeoutMilliseconds, () => call.destroy(new Error("no answer in time")));
    call.once("error", reject);
    call.once("response", (reply) => {
      buffer(reply).then(
        (body) => resolve({ status: reply.statusCode ?? 502, rawHeaders: reply.rawHeaders, body }),
        reject,
      );
    });
    call.end(request.body);
  });
}

function isProblem(reply: RelayedReply): boolean {
  return reply.rawHeaders.some(
    (name, index) =>
      index % 2 === 0 &&
      name.toLowerCase() === "content-type" &&
      reply.rawHeaders[index + 1]?.toLowerCase().startsWith(problemType),
  );
}
