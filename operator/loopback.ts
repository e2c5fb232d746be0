import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";

import { isLocalhostName } from "@sealpost/protocol/loopback.ts";

/**
 * Names under `localhost` are this machine, whatever a resolver says: glibc and macOS do not resolve `<apiId>.execute-api.localhost`, and a
 * signature covers that name. The local stack listens on 127.0.0.1.
 */
export const lookup: LookupFunction = (hostname, options, callback) => {
  if (!isLocalhostName(hostname)) {
    systemLookup(hostname, options, callback);
    return;
  }
  const found = { address: "127.0.0.1", family: 4 };
  if (options.all) callback(null, [found]);
  else callback(null, found.address, found.family);
};
