import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";

/** RFC 6761 §6.3: `localhost` and every name under it. */
const localhostName = /^(?:.+\.)?localhost\.?$/iu;
const loopbackAddress = /^(?:127(?:\.\d{1,3}){3}|\[::1\])$/u;

export function isLoopback(hostname: string): boolean {
  return localhostName.test(hostname) || loopbackAddress.test(hostname);
}

/**
 * Names under `localhost` are this machine, whatever a resolver says: glibc and macOS do not resolve `<apiId>.execute-api.localhost`, and a
 * signature covers that name. The local stack listens on 127.0.0.1.
 */
export const lookup: LookupFunction = (hostname, options, callback) => {
  if (!localhostName.test(hostname)) {
    systemLookup(hostname, options, callback);
    return;
  }
  const found = { address: "127.0.0.1", family: 4 };
  if (options.all) callback(null, [found]);
  else callback(null, found.address, found.family);
};
