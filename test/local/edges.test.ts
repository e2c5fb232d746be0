import { randomBytes } from "node:crypto";
import { createServer, type IncomingHttpHeaders, request as httpRequest } from "node:http";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { buffer } from "node:stream/consumers";
import { connect } from "node:tls";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

import { issueEdgeCertificates } from "../../local/network/certificates.ts";
import { closeServer } from "../../local/network/close-server.ts";
import { listen } from "../../local/network/listen.ts";
import { lookup } from "../../operator/loopback.ts";
import { startPlainEdge } from "../../local/network/plain-edge.ts";
import { type Edge, startTlsEdge } from "../../local/network/tls-edge.ts";

type Seen = { method?: string | undefined; url?: string | undefined; headers: IncomingHttpHeaders };
type Answer = { status: number | undefined; headers: IncomingHttpHeaders; body: Buffer };

const certificates = issueEdgeCertificates();
const apiId = "0a1b2c3d";
const apiHost = `${apiId}.execute-api.localhost`;
let seen: Seen[] = [];
let connections = 0;
/** Stands where the emulator is: echoes the body in chunks. */
const emulator = createServer((request, response) => {
  seen.push({ method: request.method, url: request.url, headers: request.headers });
  response.writeHead(
    201,
    "Echoed",
    [
      ["X-Twice", "a"],
      ["X-Twice", "b"],
    ].flat(),
  );
  request.pipe(response);
});
emulator.on("connection", () => {
  connections += 1;
});
let tlsEdge: Edge;
let plainEdge: Edge;

beforeAll(async () => {
  const emulatorPort = await listen(emulator);
  tlsEdge = await startTlsEdge({ apiId, emulatorPort, certificates });
  plainEdge = await startPlainEdge({
    apiId,
    emulatorPort,
    distributionDomain: "d123.cloudfront.net",
  });
});
afterAll(async () => {
  await tlsEdge.close();
  await plainEdge.close();
  await closeServer(emulator);
});

async function call(options: RequestOptions & { tls: boolean }, chunks: readonly Buffer[] = []): Promise<Answer> {
  seen = [];
  const { tls, ...rest } = options;
  const settings = { host: "localhost", lookup, method: "POST", ...rest };
  const request = tls
    ? httpsRequest({ ca: certificates.ca, port: tlsEdge.port, agent: false, ...settings })
    : httpRequest({ port: plainEdge.port, ...settings });
  for (const chunk of chunks) request.write(chunk);
  request.end();
  const [response] = await once(request, "response");
  return {
    status: response.statusCode,
    headers: response.headers,
    body: await buffer(response),
  };
}

describe("TLS edge", () => {
  it("ok/passes binary, chunked bodies, status, reason and repeated fields", async () => {
    const chunks = [randomBytes(70_000), randomBytes(1), randomBytes(30_000)];
    const answer = await call({ tls: true, path: "/bootstrap/token?a=%2F" }, chunks);
    expect(answer.status).toBe(201);
    expect(answer.body.equals(Buffer.concat(chunks))).toBe(true);
    expect(answer.headers["x-twice"]).toBe("a, b");
    expect(seen[0]).toMatchObject({ method: "POST", url: "/bootstrap/token?a=%2F" });
    expect(seen[0]?.headers["transfer-encoding"]).toBe("chunked");
  });

  it("ok/gives the API its own name, and one that SigV4 signed unchanged", async () => {
    await call({ tls: true, path: "/bootstrap/token" });
    expect(seen[0]?.headers.host).toBe(apiHost);
    await call({ tls: true, host: apiHost, path: "/operator/trust" });
    expect(seen[0]?.headers.host).toBe(`${apiHost}:${tlsEdge.port}`);
    await call({ tls: true, host: "127.0.0.1", path: "/operator/trust" });
    expect(seen[0]?.headers.host).toBe(apiHost);
  });

  it("ok/keeps connections", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: certificates.ca });
    const before = connections;
    for (let index = 0; index < 5; index += 1) {
      await call({ tls: true, agent, path: "/bootstrap/token" }, [Buffer.from("x")]);
    }
    agent.destroy();
    expect(connections - before).toBeLessThanOrEqual(1);
  });

  it.each([
    "/messages",
    "/keys",
    "/firmware/a",
    "/bootstrap",
    "/bootstrap/../messages",
    "/bootstrap/%2e%2e/messages",
    "/bootstrap\\..\\messages",
    "//bootstrap/token",
    "/_ministack/health",
  ])("fails/refuses %s", async (path) => {
    const answer = await call({ tls: true, path });
    expect(answer.status).toBe(404);
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(seen).toEqual([]);
  });

  it("fails/refuses a Host that would reach another service of the emulator", async () => {
    const headers = { Host: "bucket.s3.localhost" };
    const answer = await call({ tls: true, servername: "localhost", headers, path: "/bootstrap/x" });
    expect(answer.status).toBe(404);
    expect(seen).toEqual([]);
  });

  it("fails/refuses TLS 1.2", async () => {
    const socket = connect({ port: tlsEdge.port, ca: certificates.ca, maxVersion: "TLSv1.2" });
    const [error] = await once(socket, "secureConnect").catch((thrown: unknown) => [thrown]);
    expect(error).toMatchObject({ code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" });
  });

  it("fails/is not trusted without the throw-away CA", async () => {
    await expect(call({ tls: true, ca: [], path: "/bootstrap/token" })).rejects.toMatchObject({
      code: expect.stringMatching(/UNABLE_TO|SELF_SIGNED/u),
    });
  });
});

describe("plain-HTTP edge", () => {
  it.each([
    ["/messages", apiHost],
    ["/batches", apiHost],
    ["/keys", apiHost],
    ["/firmware/a/b?x=1", "d123.cloudfront.net"],
  ])("ok/sends %s to %s", async (path, host) => {
    const body = randomBytes(1_000);
    const answer = await call({ tls: false, path, headers: { Range: "bytes=0-9" } }, [body]);
    expect(answer.body.equals(body)).toBe(true);
    expect(seen[0]).toMatchObject({ url: path, headers: { host, range: "bytes=0-9" } });
  });

  it.each(["/", "/messages/", "/bootstrap/token", "/operator/trust", "/firmware/../operator/trust"])(
    "fails/refuses %s",
    async (path) => {
      expect((await call({ tls: false, path })).status).toBe(404);
      expect(seen).toEqual([]);
    },
  );

  it("fails/answers 502 when the emulator is gone", async () => {
    const edge = await startPlainEdge({ apiId, emulatorPort: 1, distributionDomain: "d" });
    const answer = await call({ tls: false, port: edge.port, path: "/keys" });
    await edge.close();
    expect(answer.status).toBe(502);
  });
});
