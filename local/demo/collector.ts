import { mkdir, rm } from "node:fs/promises";

import { startRelay } from "../../examples/relay/server.ts";
import { loopback } from "../emulator/loopback.ts";

/**
 * The reference relay, which sends messages on in batches.
 * @param seconds how long the first of a batch waits for others; a full one leaves at once
 */
export async function startCollector(to: string, store: string, seconds: number) {
  await rm(store, { recursive: true, force: true });
  await mkdir(store, { recursive: true });
  const relay = await startRelay({
    ...{ to, store, storeBytes: 64 * 1024 * 1024 },
    ...{ host: loopback, port: 0, count: 50, bytes: 4_000_000, seconds, waitSeconds: 20 },
    log: () => {},
  });
  return { url: `http://${loopback}:${relay.port}`, close: () => relay.close() };
}
