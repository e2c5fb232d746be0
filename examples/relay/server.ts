import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";

import { type Entry, digestOf, openStore } from "./store.ts";
import { get, isToken, most, problemStatus, startUplink, type UplinkOptions } from "./uplink.ts";

export type RelayOptions = UplinkOptions & {
  /** A folder of its own. */
  readonly store: string;
  readonly storeBytes: number;
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** How long a request waits for the answer from above; a device gives up after 30 s. */
  readonly waitSeconds: number;
};

const refreshMilliseconds = 10_000;
const path = /^(?:\/box\/([A-Za-z0-9_-]{1,64}))?(\/messages|\/batches|\/keys|\/firmware\/[A-Za-z0-9._/-]{1,256})$/u;

/** Takes messages for a base, keeps them through power cuts, sends them in batches, and keeps the replies until they are fetched. */
export async function startRelay(options: RelayOptions) {
  const store = await openStore(options.store, options.storeBytes);
  let waiting: (() => void)[] = [];
  const uplink = startUplink(store, options, () => {
    for (const look of waiting.splice(0)) look();
  });
  const timer = setInterval(() => {
    store.refresh().then(uplink.wake, (error: unknown) => options.log(`the store cannot be read: ${String(error)}`));
  }, refreshMilliseconds);

  /** Waits until each token has an answer, or time is up. A token for which there is no room is told at once. */
  async function answers(tokens: readonly string[], box: string): Promise<(Entry | "full" | undefined)[]> {
    const sought = tokens.map((token) => ({ token, digest: digestOf(token) }));
    const awaited = new Set<string>();
    const full = new Set<string>();
    for (const { token, digest } of sought) {
      if (!store.replyFor(digest, box)) ((await store.take(token, box)) ? awaited : full).add(digest);
    }
    uplink.wake();
    const until = Date.now() + options.waitSeconds * 1_000;
    while (Date.now() < until && [...awaited].some((digest) => !store.replyFor(digest, box))) {
      await change(until - Date.now());
    }
    return sought.map(({ digest }) => store.replyFor(digest, box) ?? (full.has(digest) ? "full" : undefined));
  }

  function change(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const patience = setTimeout(resolve, milliseconds);
      waiting.push(() => {
        clearTimeout(patience);
        resolve();
      });
    });
  }

  async function message(request: IncomingMessage, response: ServerResponse, box: string): Promise<void> {
    const token = await body(request, 307_200);
    if (token === undefined) return tell(response, problem(413, "too-large", "The message is too large."));
    if (!isToken(token)) return tell(response, problem(400, "not-accepted", "This is no sealed message."));
    const [entry] = await answers([token], box);
    tell(response, await lineOf(entry), () => forget([entry]));
  }

  async function batch(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await body(request, most.bytes);
    const lines = text?.split("\n") ?? [];
    if (lines.at(-1) === "") lines.pop();
    if (text === undefined || lines.length > most.count) {
      return tell(response, problem(413, "too-large", `At most ${most.count} messages and ${most.bytes} bytes.`));
    }
    const entries = await answers(lines.filter(isToken), "");
    const found = entries.values();
    const refused = problem(400, "not-accepted", "This is no sealed message.");
    const told: string[] = [];
    for (const line of lines) told.push(isToken(line) ? await lineOf(found.next().value) : refused);
    response.writeHead(200, { "content-type": "text/plain", "cache-control": "no-store" });
    response.end(told.map((line) => `${line}\n`).join(""), () => forget(entries));
  }

  async function lineOf(entry: Entry | "full" | undefined): Promise<string> {
    if (entry === "full") return problem(503, "unavailable", "The relay's store is full; try again later.");
    const text = entry && (await store.read("replies", entry));
    return text ?? problem(503, "unavailable", "The relay keeps the message; its reply has not come yet.");
  }

  /** Only what left whole was given: nobody confirms more, and a reply that was lost behind us can be had again. */
  function forget(entries: readonly (Entry | "full" | undefined)[]): void {
    for (const entry of entries) {
      if (entry && entry !== "full") store.given(entry).catch((error: unknown) => options.log(String(error)));
    }
  }

  async function passThrough(request: IncomingMessage, response: ServerResponse, rest: string): Promise<void> {
    const { range, "if-range": ifRange, "if-none-match": ifNoneMatch } = request.headers;
    const asked = { range, "if-range": ifRange, "if-none-match": ifNoneMatch, "accept-encoding": "identity" };
    const headers = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
    const answer = await get(`${options.to}${rest}`, request.method ?? "GET", headers);
    for (const name of ["content-type", "content-length", "content-range", "accept-ranges", "etag", "cache-control"]) {
      const value = answer.headers[name];
      if (value !== undefined) response.setHeader(name, value);
    }
    response.writeHead(answer.statusCode ?? 502);
    await pipeline(answer, response);
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, box = "", rest = ""] = path.exec(request.url ?? "") ?? [];
    if (request.method === "POST" && rest === "/messages") return message(request, response, box);
    if (request.method === "POST" && rest === "/batches") return batch(request, response);
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (isRead && (rest === "/keys" || (rest.startsWith("/firmware/") && !rest.includes("..")))) {
      return passThrough(request, response, rest);
    }
    tell(response, problem(404, "not-found", "A relay has /messages, /batches, /keys and /firmware."));
  }

  const server = createServer({ requestTimeout: 60_000, headersTimeout: 20_000 }, (request, response) => {
    serve(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else tell(response, problem(503, "unavailable", "The relay cannot answer now."));
      options.log(
        `${request.method} ${request.url?.slice(0, 40)}: ${error instanceof Error ? error.message : "failed"}`,
      );
    });
  });
  server.maxConnections = 1_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : options.port,
    counts: store.counts,
    async close() {
      clearInterval(timer);
      server.close();
      server.closeAllConnections();
      for (const look of waiting.splice(0)) look();
      await uplink.close();
    },
  };
}

function problem(status: number, code: string, title: string): string {
  return JSON.stringify({ type: "about:blank", title, status, code });
}

/** A reply as a service gives it, or the problem under its own status. */
function tell(response: ServerResponse, line: string, then?: () => void): void {
  const status = problemStatus(line);
  const type = status === undefined ? "application/jose" : "application/problem+json";
  response.writeHead(status ?? 200, { "content-type": type, "cache-control": "no-store" });
  response.end(line, then);
}

/** @returns undefined if it is longer; the rest is not read */
async function body(request: IncomingMessage, mostBytes: number): Promise<string | undefined> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  // Not destroyed: whoever sent too much shall read why.
  for await (const piece of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > mostBytes) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("latin1");
}
