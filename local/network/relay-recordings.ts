import { STATUS_CODES } from "node:http";

import type { Recording } from "../demo/leaks.ts";
import type { RelayedExchange, RelayedReply, RelayedRequest } from "./relay.ts";

/** Everything the relay saw, as it stood on the wire, for `findLeaks`. */
export function relayRecordings(exchanges: readonly RelayedExchange[]): readonly Recording[] {
  return exchanges.flatMap((exchange, index) => {
    const name = `passage ${index} (${exchange.request.method} ${exchange.request.target})`;
    return [
      { name: `${name}, request`, bytes: requestBytes(exchange.request) },
      { name: `${name}, reply`, bytes: replyBytes(exchange.reply) },
      ...(exchange.repeatedReply
        ? [{ name: `${name}, reply to the repeat`, bytes: replyBytes(exchange.repeatedReply) }]
        : []),
    ];
  });
}

function requestBytes({ method, target, rawHeaders, body }: RelayedRequest): Buffer {
  return message(`${method} ${target} HTTP/1.1`, rawHeaders, body);
}

function replyBytes({ status, rawHeaders, body }: RelayedReply): Buffer {
  return message(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`, rawHeaders, body);
}

function message(startLine: string, rawHeaders: readonly string[], body: Buffer): Buffer {
  const fields = rawHeaders.flatMap((name, index) =>
    index % 2 === 0 ? [`${name}: ${rawHeaders[index + 1] ?? ""}`] : [],
  );
  return Buffer.concat([Buffer.from(`${[startLine, ...fields].join("\r\n")}\r\n\r\n`, "latin1"), body]);
}
