import { lookup } from "node:dns";
import type { AgentOptions } from "node:https";
import type { LookupFunction } from "node:net";

import { isLocalhostName, isLoopback } from "@sealpost/protocol/loopback.ts";

/**
 * How Node's agents of this package connect to a host: by HTTP_PROXY, HTTPS_PROXY and NO_PROXY where Node can (24.5 and later; earlier ones
 * connect directly), but never to this very machine through a proxy.
 */
export function connectOptions({ hostname }: URL): AgentOptions {
  return { lookup: lookupLoopbackNames, ...(isLoopback(hostname) ? {} : { proxyEnv: process.env }) };
}

const lookupLoopbackNames: LookupFunction = (hostname, options, callback) => {
  if (!isLocalhostName(hostname)) {
    lookup(hostname, options, callback);
    return;
  }
  const addresses = [
    { address: "127.0.0.1", family: 4 },
    { address: "::1", family: 6 },
  ];
  if (options.all) callback(null, addresses);
  else callback(null, "127.0.0.1", 4);
};
