import { type IncomingMessage, type RequestListener, type Server, createServer } from "node:http";
import { type Server as TlsServer, createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

import { makeHandler } from "../../../functions/bootstrap/handler.ts";
import { answerMessage } from "../../../functions/receive/answer.ts";
import { issueEdgeCertificates } from "../../../local/network/certificates.ts";
import type { Bench } from "./bench.ts";

export type LiveService = {
  readonly bootstrapUrl: string;
  readonly messageUrl: string;
  readonly ca: string;
  /** TLS connections that completed a handshake, and those still open. */
  readonly connections: { total: number; open: number };
  /** `METHOD path` of each request that arrived on TLS. */
  readonly secured: string[];
  close(): Promise<void>;
};

/** The functions of a bench on real sockets: bootstrap on TLS with a throw-away CA, messages on plain HTTP. */
export async function startLiveService(bench: Bench): Promise<LiveService> {
  const { ca, certificate, privateKey } = issueEdgeCertificates();
  const connections = { total: 0, open: 0 };
  const secured: string[] = [];
  const tls = createTlsServer({ cert: certificate, key: privateKey }, bootstrapListener(bench, secured));
  tls.on("secureConnection", (socket) => {
    connections.total += 1;
    connections.open += 1;
    socket.on("close", () => (connections.open -= 1));
  });
  const plain = createServer(messageListener(bench));
  const [tlsPort, plainPort] = [await listen(tls), await listen(plain)];
  return {
    bootstrapUrl: `https://localhost:${tlsPort}/bootstrap`,
    messageUrl: `http://127.0.0.1:${plainPort}`,
    ca,
    connections,
    secured,
    async close() {
      for (const server of [tls, plain]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

function bootstrapListener(bench: Bench, secured: string[]): RequestListener {
  const handler = makeHandler(bench.service.bootstrap, () => bench.now * 1000);
  return (request, response) => {
    void (async () => {
      secured.push(`${request.method} ${request.url}`);
      const body = await text(request);
      const answer = await handler({
        routeKey: `${request.method} ${request.url}`,
        headers: flat(request),
        body,
        isBase64Encoded: false,
      });
      response.writeHead(answer.statusCode ?? 500, { "content-type": "application/json" }).end(answer.body);
    })();
  };
}

function messageListener(bench: Bench): RequestListener {
  return (request, response) => {
    void (async () => {
      const { pathname } = new URL(request.url ?? "", "http://x");
      if (pathname === "/messages") {
        const answer = await answerMessage(bench.service.messages, await text(request), bench.now);
        if (answer.kind === "sealed") response.writeHead(200, { "content-type": "application/jose" }).end(answer.token);
        else response.writeHead(answer.body.status).end(JSON.stringify(answer.body));
        return;
      }
      if (pathname === "/keys") {
        response.writeHead(200).end(JSON.stringify(await bench.service.messages.readCatchUp()));
        return;
      }
      const object = bench.objects.get(pathname.replace("/firmware/", ""));
      if (!object) {
        response.writeHead(404).end();
        return;
      }
      const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
      const [first, last] = [Number(range?.[1] ?? 0), range?.[2] ? Number(range[2]) : object.length - 1];
      response
        .writeHead(range ? 206 : 200, {
          "content-encoding": "aes128gcm",
          ...(range && { "content-range": `bytes ${first}-${last}/${object.length}` }),
        })
        .end(object.subarray(first, last + 1));
    })();
  };
}

function flat({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}

async function listen(server: Server | TlsServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

/** An address of this machine where nothing listens any more. */
export async function unusedAddress(): Promise<string> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  return `https://localhost:${port}`;
}
