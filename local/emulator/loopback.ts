import { createServer } from "node:net";

import { isLoopbackAddress } from "@sealpost/protocol/loopback.ts";

import { LocalFault } from "../fault.ts";

export const loopback = "127.0.0.1";

/** The emulator accepts any credentials and speaks plain HTTP: nothing here may ever be sent to another machine. */
export function assertLoopback(endpoint: string): URL {
  const url = URL.parse(endpoint);
  if (url?.protocol === "http:" && isLoopbackAddress(url.hostname)) return url;
  throw new LocalFault(
    "remote-endpoint",
    `Local mode deploys only into an emulator on this machine (http://${loopback}:<port>), never to ${endpoint}.`,
  );
}

/** A port that was free a moment ago; whoever binds it must still expect to lose the race for it. */
export async function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, loopback, () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
