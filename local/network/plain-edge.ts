import { createServer } from "node:http";

import { closeServer } from "./close-server.ts";
import { forward, keepAliveAgent } from "./forward.ts";
import { listen } from "./listen.ts";
import { sendProblem } from "./problem.ts";
import { plainPath } from "./request-path.ts";
import type { Edge } from "./tls-edge.ts";

export type PlainEdgeOptions = {
  readonly apiId: string;
  readonly distributionDomain: string;
  readonly emulatorPort: number;
  /** 0, the default: a free one. */
  readonly port?: number;
  /** Told the path of each request that goes to a function. */
  readonly onForward?: (path: string) => void;
};

/**
 * What the CloudFront distribution is on AWS: the message plane over plain HTTP and nothing else. Messages and keys go
 * straight to the API, because the emulator's CloudFront would dial the API's AWS name; firmware goes through it.
 */
export async function startPlainEdge(options: PlainEdgeOptions): Promise<Edge> {
  const agent = keepAliveAgent();
  const server = createServer((request, response) => {
    const path = plainPath(request.url) ?? "";
    const host = upstreamHost(path, options);
    if (host === null) {
      sendProblem(response, 404);
      return;
    }
    if (host !== options.distributionDomain) options.onForward?.(path);
    forward(request, response, { port: options.emulatorPort, host, agent });
  });
  const port = await listen(server, options.port, "plain HTTP edge");
  return {
    port,
    close: () => closeServer(server, agent),
  };
}

function upstreamHost(path: string, options: PlainEdgeOptions): string | null {
  if (["/messages", "/batches", "/keys"].includes(path)) return `${options.apiId}.execute-api.localhost`;
  return path.startsWith("/firmware/") ? options.distributionDomain : null;
}
