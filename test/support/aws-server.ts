import { type RequestListener, createServer } from "node:http";

import { onTestFinished } from "vitest";

import { closeServer } from "../../local/network/close-server.ts";
import { listen } from "../../local/network/listen.ts";

/** For a client of a server of `serve`. */
export const testAccess = {
  region: "eu-central-1",
  credentials: { accessKeyId: "an-id", secretAccessKey: "a-secret", sessionToken: "a-token" },
} as const;

/** Something on loopback that passes for a service of AWS, until the test ends. */
export async function serve(listener: RequestListener): Promise<{ readonly endpoint: string }> {
  const server = createServer(listener);
  const port = await listen(server);
  onTestFinished(() => closeServer(server));
  return { endpoint: `http://127.0.0.1:${port}` };
}
