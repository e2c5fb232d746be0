import { limits } from "@sealpost/protocol/limits.ts";

import { DeviceError, type Setback, isDeviceError } from "../device-error.ts";
import type { BootstrapConnection, HttpStream, MessageTransport } from "../ports.ts";
import { readAll } from "../read-all.ts";
import type { Patience } from "./patience.ts";

/** A transport of which nothing lasts for ever, whatever the other end or the port itself does. What it throws is a `DeviceError`. */
export type BoundedTransport = MessageTransport & {
  /** A small public object, whole. */
  read(url: string): Promise<Uint8Array<ArrayBuffer>>;
};

/**
 * Bounds a port by the patience of one verb: messages and small objects by a deadline for the whole try, images by the time until they begin
 * and then by a least rate.
 * @param tries how many, this one counted, are to have their share of the patience that is left
 */
export function boundedTransport(messages: MessageTransport, patience: Patience, tries = 1): BoundedTransport {
  const whole = { seconds: limits.trySeconds, tries };
  return {
    async post(url, token) {
      return named(url, (what) => patience.within(what, whole, (signal) => messages.post(url, token, { signal })));
    },
    async read(url) {
      const work = async (signal: AbortSignal) =>
        readAll((await messages.get(url, undefined, { signal })).body, limits.tokenBytes);
      return named(url, (what) => patience.within(what, whole, work));
    },
    async get(url, range) {
      const abort = new AbortController();
      const work = (signal: AbortSignal) => messages.get(url, range, { signal });
      const stream = await named(url, (what) => patience.within(what, whole, work, abort));
      return { ...stream, body: endable(paced(url, stream.body, patience, abort), abort) };
    },
  };
}

/** The same for the one TLS connection. */
export function boundedConnection(connection: BootstrapConnection, patience: Patience): BootstrapConnection {
  return {
    async post(url, headers, body) {
      const work = (signal: AbortSignal) => connection.post(url, headers, body, { signal });
      return named(url, (what) => patience.within(what, { seconds: limits.trySeconds }, work));
    },
    close: () => connection.close(),
  };
}

/** Every `trySeconds` of waiting must bring their least number of bytes; what the consumer does meanwhile does not count. */
async function* paced(
  url: string,
  body: HttpStream["body"],
  patience: Patience,
  abort: AbortController,
): AsyncGenerator<Uint8Array> {
  const pieces = body[Symbol.asyncIterator]();
  const least = limits.trySeconds * limits.firmware.leastBytesPerSecond;
  let [bytes, left] = [0, limits.trySeconds];
  try {
    for (;;) {
      const began = performance.now();
      const seconds = Math.max(0, left);
      const piece = await named(url, (what) => patience.within(what, { seconds }, async () => pieces.next(), abort));
      if (piece.done) return;
      bytes += piece.value.length;
      left -= (performance.now() - began) / 1000;
      if (bytes >= least) [bytes, left] = [0, limits.trySeconds];
      yield piece.value;
    }
  } finally {
    abort.abort();
    // Not waited for: a port may hang here too.
    pieces.return?.().catch(() => {});
  }
}

/** A generator that ends before its first piece never comes to its `finally`: the connection of an answer that nobody reads would stay open. */
function endable(pieces: AsyncGenerator<Uint8Array>, abort: AbortController): HttpStream["body"] {
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => pieces.next(),
      async return() {
        abort.abort();
        return pieces.return(undefined);
      },
    }),
  };
}

async function named<T>(url: string, work: (what: string) => Promise<T>): Promise<T> {
  const what = URL.canParse(url) ? new URL(url).origin : url;
  try {
    return await work(what);
  } catch (cause) {
    if (isDeviceError(cause)) throw cause;
    const said = cause instanceof Error && cause.message ? `, ${cause.message.slice(0, 200)}` : "";
    throw new DeviceError("unreachable", `${what}${said}`, { cause });
  }
}

/**
 * An error as the reason for another try.
 * @throws what no other try would change: the caller has had enough, or it is no `DeviceError`
 */
export function toSetback(error: unknown): Setback {
  if (!isDeviceError(error) || error.code === "aborted") throw error;
  const { why, circumstance, cause } = error;
  return { why, circumstance, cause };
}
