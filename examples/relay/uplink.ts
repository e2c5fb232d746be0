import http, { type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import https from "node:https";

import { type Entry, type Store } from "./store.ts";

export type UplinkOptions = {
  /** Base URL of a service or of another relay. */
  readonly to: string;
  /** A batch leaves when it has so many tokens or bytes, or when its oldest token has waited so long. */
  readonly count: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly log: (line: string) => void;
};

/** What may be in one batch, whatever is asked for. */
export const most = { count: 100, bytes: 4_194_304, answerBytes: 6_000_000 };
const callMilliseconds = 60_000;
const longestPauseMilliseconds = 300_000;
/** How long a base that has no batches is asked for none. */
const singlesMilliseconds = 3_600_000;
const singlesAtOnce = 4;

const compactJwe = /^[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+$/u;
export function isToken(text: string): boolean {
  return text.length <= 307_200 && compactJwe.test(text);
}

/** Sends what the store holds, until it is answered. `changed` is called for every answer that was stored. */
export function startUplink(store: Store, options: UplinkOptions, changed: () => void) {
  const { to, log } = options;
  const full = { count: Math.min(options.count, most.count), bytes: Math.min(options.bytes, most.bytes) };
  let cap = full.count;
  let singlesUntil = -Infinity;
  let failures = 0;
  const end = new AbortController();
  let awake = () => {};
  /** When a token that was put off is due again, in milliseconds that no clock sets, and how often it was. */
  const putOff = new Map<string, { readonly times: number; readonly due: number }>();

  const pauseOf = (times: number) => Math.random() * Math.min(longestPauseMilliseconds, 1_000 * 2 ** times);

  /** In the order in which they came; behind them those that were put off, most often last: one that breaks its batch lets all others pass. */
  function mostWanted(): readonly Entry[] {
    const times = ({ digest }: Entry) => putOff.get(digest)?.times ?? 0;
    const [fresh, late]: [Entry[], Entry[]] = [[], []];
    for (const entry of store.tokens()) (putOff.has(entry.digest) ? late : fresh).push(entry);
    return [...fresh, ...late.toSorted((one, other) => times(one) - times(other))];
  }

  /** The next batch, or how long to wait for one. */
  function nextBatch(): { readonly batch: Entry[] } | { readonly waitMilliseconds: number } {
    const now = performance.now();
    const time = Date.now();
    const batch: Entry[] = [];
    let bytes = 0;
    let oldest = Number.POSITIVE_INFINITY;
    let due = now + 60_000;
    for (const entry of mostWanted()) {
      const later = putOff.get(entry.digest)?.due ?? 0;
      if (later > now) due = Math.min(due, later);
      if (later > now || batch.length === cap) continue;
      if (batch.length > 0 && bytes + entry.bytes > full.bytes) return { batch };
      batch.push(entry);
      bytes += entry.bytes + 1;
      const waited = time - Number(entry.order.slice(0, 15));
      // What came later than now came before the clock was set back.
      oldest = Math.min(oldest, waited < 0 ? now : now + options.seconds * 1_000 - waited);
    }
    if (batch.length === cap || oldest <= now) return { batch };
    return { waitMilliseconds: Math.min(oldest, due) - now };
  }

  async function settle({ digest }: Entry, line: string | undefined): Promise<boolean> {
    if (line !== undefined && isAnswer(line)) {
      putOff.delete(digest);
      await store.answer(digest, line);
      changed();
      return true;
    }
    const times = (putOff.get(digest)?.times ?? 0) + 1;
    putOff.set(digest, { times, due: performance.now() + pauseOf(times) });
    return false;
  }

  /** @throws if nobody answers, or not as a base of the message plane does */
  async function forward(batch: readonly Entry[]): Promise<void> {
    const texts = await Promise.all(batch.map((entry) => store.read("tokens", entry)));
    const held = batch.flatMap((entry, i) => (texts[i] === undefined ? [] : [{ entry, token: texts[i] }]));
    // Gone, as the next look at the folder will tell, or on a bad block.
    for (const [i, entry] of batch.entries()) if (texts[i] === undefined) await settle(entry, undefined);
    if (held.length === 0) return;
    if (performance.now() >= singlesUntil) {
      const body = held.map(({ token }) => `${token}\n`).join("");
      const { status, text, retryAfter } = await post(`${to}/batches`, "text/plain", body, end.signal);
      if (status === 200) {
        const lines = text.split("\n");
        await Promise.all(held.map(({ entry }, i) => settle(entry, lines[i])));
        cap = Math.min(full.count, cap * 2);
        return;
      }
      if (status === 413 && held.length > 1) {
        cap = Math.ceil(held.length / 2);
        return;
      }
      if (status === 408 || status === 429 || status >= 500) {
        // Perhaps one of them is the reason: the others shall not wait for it for ever.
        cap = Math.ceil(held.length / 2);
        for (const { entry } of held) await settle(entry, undefined);
        throw new NoAnswer(`HTTP ${status}`, retryAfter);
      }
      singlesUntil = performance.now() + singlesMilliseconds;
      log(`${to} has no batches (HTTP ${status}): one message a request for an hour`);
    }
    const rest = [...held];
    let answered = 0;
    const lane = async () => {
      for (let next = rest.shift(); next; next = rest.shift()) {
        const { text } = await post(`${to}/messages`, "application/jose", next.token, end.signal);
        if (await settle(next.entry, text.trim())) answered += 1;
      }
    };
    await Promise.all(Array.from({ length: singlesAtOnce }, lane));
    if (answered === 0) throw new NoAnswer("no message was answered");
  }

  async function run(): Promise<void> {
    while (!end.signal.aborted) {
      const next = nextBatch();
      const pause =
        "batch" in next
          ? await forward(next.batch).then(
              () => {
                if (failures > 0) log(`${to} answers again`);
                failures = 0;
                return 0;
              },
              (error: unknown) => {
                failures += 1;
                const why = error instanceof Error ? error.message : "unknown";
                const asked = error instanceof NoAnswer ? (error.retryAfter ?? 0) * 1_000 : 0;
                if (failures === 1) log(`${to} does not answer (${why}): messages are kept and tried again`);
                return Math.max(pauseOf(failures), Math.min(asked, longestPauseMilliseconds));
              },
            )
          : next.waitMilliseconds;
      await sleep(pause);
      for (const digest of putOff.keys()) if (!store.knows(digest)) putOff.delete(digest);
    }
  }

  function sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, milliseconds));
      awake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  const running = run();
  return {
    /** There may be more to send; that ends no pause after a failure. */
    wake() {
      if (failures === 0) awake();
    },
    async close() {
      end.abort();
      awake();
      await running;
    },
  };
}

class NoAnswer extends Error {
  readonly retryAfter: number | undefined;

  constructor(message: string, retryAfter?: number) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

/** A reply, or a problem that the same token will always meet. Whatever else it is, the token is worth another try. */
function isAnswer(line: string): boolean {
  if (isToken(line)) return true;
  const status = problemStatus(line);
  return status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429;
}

/** @returns the status of a problem (RFC 9457) of the message plane; undefined if the text is none */
export function problemStatus(text: string): number | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const { code, status } = JSON.parse(text) as { code?: unknown; status?: unknown };
    return typeof code === "string" && typeof status === "number" && Number.isInteger(status) ? status : undefined;
  } catch {
    return undefined;
  }
}

/** One request without a body limit of its own: for images, which are passed on as they come. */
export function get(url: string, method: string, headers: IncomingHttpHeaders): Promise<IncomingMessage> {
  return call(url, method, headers);
}

async function post(url: string, type: string, body: string, signal: AbortSignal) {
  const length = String(Buffer.byteLength(body));
  const answer = await call(url, "POST", { "content-type": type, "content-length": length }, body, signal);
  const deadline = setTimeout(() => answer.destroy(new Error("no answer in time")), callMilliseconds);
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of answer as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > most.answerBytes) throw new Error("the answer is too long");
      pieces.push(piece);
    }
  } finally {
    clearTimeout(deadline);
  }
  const seconds = Number(answer.headers["retry-after"]);
  const retryAfter = Number.isFinite(seconds) ? seconds : undefined;
  return { status: answer.statusCode ?? 502, text: Buffer.concat(pieces).toString("latin1"), retryAfter };
}

function call(url: string, method: string, headers: IncomingHttpHeaders, body?: string, signal?: AbortSignal) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const { request } = url.startsWith("https:") ? https : http;
    const outgoing = request(url, { method, headers, ...(signal ? { signal } : {}) });
    outgoing.setTimeout(callMilliseconds, () => outgoing.destroy(new Error("no answer in time")));
    outgoing.once("response", resolve);
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}
