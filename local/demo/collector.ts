import { mkdir, rm } from "node:fs/promises";

import { startRelay } from "../../examples/relay/server.ts";
import { loopback } from "../emulator/loopback.ts";

/** The reference relay, which sends messages on in batches. */
export async function startCollector(to: string, store: string) {
  await rm(store, { recursive: true, force: true });
  await mkdir(store, { recursive: true });
  const relay = await startRelay({
    ...{ to, store, storeBytes: 64 * 1024 * 1024 },
    ...{ host: loopback, port: 0, count: 50, bytes: 4_000_000, seconds: 0.1, waitSeconds: 20 },
    log: () => {},
  });
  return { url: `http://${loopback}:${relay.port}`, close: () => relay.close() };
}
