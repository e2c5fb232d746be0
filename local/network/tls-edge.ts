import { createServer } from "node:https";

import { isLoopbackAddress } from "@sealpost/protocol/loopback.ts";

import type { EdgeCertificates } from "./certificates.ts";
import { closeServer } from "./close-server.ts";
import { forward, keepAliveAgent } from "./forward.ts";
import { listen } from "./listen.ts";
import { sendProblem } from "./problem.ts";
import { plainPath } from "./request-path.ts";

export type Edge = { readonly port: number; close(): Promise<void> };

export type TlsEdgeOptions = {
  readonly apiId: string;
  readonly emulatorPort: number;
  readonly certificates: EdgeCertificates;
  /** 0, the default: a free one. */
  readonly port?: number;
  /** Shown each answer of the bootstrap routes: the edge alone sees what TLS hides, such as the first token. */
  readonly onBootstrapAnswer?: (path: string, body: Buffer) => void;
};

/**
 * What execute-api is on AWS: TLS (here 1.3 and nothing older) in front of the HTTP API, for bootstrap and operators.
 * The message plane is not served here, so a device that sent a message over TLS would fail locally too.
 */
export async function startTlsEdge(options: TlsEdgeOptions): Promise<Edge> {
  const agent = keepAliveAgent();
  const apiHost = `${options.apiId}.execute-api.localhost`;
  const server = createServer(
    {
      cert: options.certificates.certificate,
      key: options.certificates.privateKey,
      minVersion: "TLSv1.3",
      maxVersion: "TLSv1.3",
    },
    (request, response) => {
      const path = plainPath(request.url) ?? "";
      const host = upstreamHost(request.headers.host ?? "", apiHost);
      if (host === null || !/^\/(?:bootstrap|operator)\//u.test(path)) sendProblem(response, 404);
      else {
        const { onBootstrapAnswer } = options;
        const isWatched = onBootstrapAnswer !== undefined && path.startsWith("/bootstrap/");
        const onAnswer = isWatched ? { onAnswer: (body: Buffer) => onBootstrapAnswer(path, body) } : {};
        forward(request, response, { port: options.emulatorPort, host, agent, ...onAnswer });
      }
    },
  );
  const port = await listen(server, options.port, "TLS edge");
  return {
    port,
    close: () => closeServer(server, agent),
  };
}

/** The API's own name passes unchanged (SigV4 signs it); a loopback name means the API; any other is not ours. */
function upstreamHost(host: string, apiHost: string): string | null {
  const hostname = host.toLowerCase().replace(/:\d+$/u, "");
  if (hostname === apiHost) return host;
  return hostname === "localhost" || isLoopbackAddress(hostname) ? apiHost : null;
}
