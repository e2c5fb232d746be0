import { type RequestListener, createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createNetServer } from "node:net";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { gunzipSync, gzipSync } from "node:zlib";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { limits } from "@sealpost/protocol/limits.ts";

import { httpsBootstrapTransport } from "../../device/adapters/https-bootstrap-transport.ts";
import { unreachable } from "../../device/adapters/unreachable.ts";
import { boundedTransport } from "../../device/delivery/bounded-transport.ts";
import { Patience } from "../../device/delivery/patience.ts";
import { Device } from "../../device/device.ts";
import { fetchMessageTransport } from "../../device/adapters/fetch-message-transport.ts";
import { nodeMessageTransport } from "../../device/adapters/node-message-transport.ts";
import { ObjectReader } from "../../device/firmware/object-reader.ts";
import { toSettings } from "../../device/options.ts";
import { readAll } from "../../device/read-all.ts";
import { issueEdgeCertificates } from "../../local/network/certificates.ts";
import { type Bench, memoryHome, openBench } from "./support/bench.ts";
import { type LiveService, startLiveService, unusedAddress } from "./support/live-service.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => (server.closeAllConnections(), server.close()));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("bootstrap over TLS", () => {
  let bench: Bench;
  let live: LiveService;
  beforeEach(async () => {
    bench = await openBench();
    live = await startLiveService(bench);
    closers.push(live.close);
  });
  const bootstrap = (change: object = {}) =>
    Device.bootstrap({
      credentialPackage: { ...bench.credential, bootstrapUrl: live.bootstrapUrl, ca: live.ca, ...change },
      ports: { ...memoryHome(bench), bootstrap: httpsBootstrapTransport() },
      options: { maxWaitSeconds: 2 },
    });

  test("ok/one connection, two requests, really closed", async () => {
    await bootstrap();
    expect(live.secured).toEqual(["POST /bootstrap/token", "POST /bootstrap/certificate"]);
    await expect.poll(() => live.connections).toEqual({ total: 1, open: 0 });
  });

  test("ok/*.localhost is this machine", async () => {
    await bootstrap({ bootstrapUrl: live.bootstrapUrl.replace("localhost", "api.execute-api.localhost") });
    expect(live.connections.total).toBe(1);
  });

  test("fails/a host by another CA, or the public ones: not a byte of the request", async () => {
    const other = issueEdgeCertificates().ca;
    await expect(bootstrap({ ca: other })).rejects.toMatchObject({ code: "tls-not-trusted" });
    await expect(bootstrap({ ca: undefined })).rejects.toMatchObject({ code: "tls-not-trusted" });
    expect(live.secured).toEqual([]);
  });

  test("fails/the right CA, another name", async () => {
    const elsewhere = live.bootstrapUrl.replace("localhost", "other.localhost");
    await expect(bootstrap({ bootstrapUrl: elsewhere })).rejects.toMatchObject({ code: "tls-not-trusted" });
    expect(live.secured).toEqual([]);
  });

  test("fails/NODE_TLS_REJECT_UNAUTHORIZED=0 changes nothing", async () => {
    vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    await expect(bootstrap({ ca: issueEdgeCertificates().ca })).rejects.toMatchObject({ code: "tls-not-trusted" });
    vi.unstubAllEnvs();
  });

  test("fails/TLS 1.1", async () => {
    const { certificate, privateKey, ca } = issueEdgeCertificates();
    const old = createTlsServer({
      cert: certificate,
      key: privateKey,
      maxVersion: "TLSv1.1",
      minVersion: "TLSv1",
      ciphers: "DEFAULT@SECLEVEL=0",
    });
    await new Promise<void>((resolve) => old.listen(0, "127.0.0.1", resolve));
    closers.push(() => old.close());
    const url = `https://localhost:${(old.address() as AddressInfo).port}`;
    await expect(bootstrap({ bootstrapUrl: url, ca })).rejects.toMatchObject({ code: "tls-not-trusted" });
  });

  test("fails/a redirect is not followed", async () => {
    const { certificate, privateKey, ca } = issueEdgeCertificates();
    const seen: string[] = [];
    const redirecting = createTlsServer({ cert: certificate, key: privateKey }, (request, response) => {
      seen.push(request.url ?? "");
      response.writeHead(307, { location: live.bootstrapUrl }).end();
    });
    await new Promise<void>((resolve) => redirecting.listen(0, "127.0.0.1", resolve));
    closers.push(() => (redirecting.closeAllConnections(), redirecting.close()));
    const url = `https://localhost:${(redirecting.address() as AddressInfo).port}/b/`;
    await expect(bootstrap({ bootstrapUrl: url, ca })).rejects.toMatchObject({
      code: "service-fault",
      why: "HTTP status 307",
    });
    expect(seen).toEqual(["/b/token"]);
    expect(live.secured).toEqual([]);
  });

  test("fails/nobody there, or nobody answers", async () => {
    await expect(bootstrap({ bootstrapUrl: await unusedAddress() })).rejects.toMatchObject({
      code: "unreachable",
      why: expect.stringContaining("ECONNREFUSED"),
      circumstance: "nobody-on-this-machine",
    });
    const { certificate, privateKey, ca } = issueEdgeCertificates();
    const mute = createTlsServer({ cert: certificate, key: privateKey }, () => {});
    await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
    closers.push(() => (mute.closeAllConnections(), mute.close()));
    const url = `https://localhost:${(mute.address() as AddressInfo).port}`;
    await expect(bootstrap({ bootstrapUrl: url, ca })).rejects.toMatchObject({
      code: "unreachable",
      why: expect.stringContaining("2 s"),
      circumstance: undefined,
    });
  });
});

describe.each([
  ["fetch", fetchMessageTransport, "unreachable"],
  ["node:http", nodeMessageTransport, 307],
])("messages over %s", (_name, make, redirected) => {
  const transport = make();

  test("ok/media type and token", async () => {
    const url = await serve((request, response) => {
      response.writeHead(418, { "content-type": "application/jose" });
      response.write(`${request.headers["content-type"]} `);
      request.pipe(response);
    });
    const answer = await transport.post(url, "a.b.c.d.e");
    expect({ ...answer, body: Buffer.from(answer.body).toString() }).toEqual({
      status: 418,
      contentType: "application/jose",
      body: "application/jose a.b.c.d.e",
    });
  });

  test.each([
    ["in capitals", "Bytes 5-9/10", 5],
    ["with more space", "bytes  5-9/10", 5],
    ["of another unit", "octets 5-9/10", Infinity],
    ["absent", undefined, Infinity],
  ])("ok/a range unit %s", async (_, contentRange, first) => {
    const url = await serve((_request, response) => {
      response.writeHead(206, contentRange === undefined ? {} : { "content-range": contentRange }).end("56789");
    });
    expect(await transport.get(url, { first: 5 })).toMatchObject({ status: 206, first });
  });

  test("ok/without a Range no content-coding is asked for either", async () => {
    let asked: string | undefined;
    const url = await serve((request, response) => {
      asked = String(request.headers["accept-encoding"]);
      response.end();
    });
    await transport.get(url);
    expect(asked).toBe("identity");
  });

  test("ok/a coding that only the device opens is passed through, and Range is sent", async () => {
    const url = await serve((request, response) => {
      expect(request.headers["accept-encoding"]).toBe("identity");
      response
        .writeHead(206, { "content-encoding": "aes128gcm", "content-range": "bytes 5-9/10" })
        .end(request.headers.range);
    });
    const { status, first, body } = await transport.get(url, { first: 5, last: 9 });
    expect({ status, first, body: Buffer.from(await readAll(body, 100)).toString() }).toEqual({
      status: 206,
      first: 5,
      body: "bytes=5-9",
    });
  });

  test("fails/a redirect", async () => {
    let followed = false;
    const elsewhere = await serve((_, response) => {
      followed = true;
      response.writeHead(200).end("x");
    });
    const url = await serve((_, response) => response.writeHead(307, { location: elsewhere }).end());
    // To `node:http` it is an answer like any other, which no device believes.
    for (const ask of [() => transport.post(url, "t"), () => transport.get(url)]) {
      const outcome = ask().then(
        ({ status }) => status,
        ({ code }) => code,
      );
      expect(await outcome).toBe(redirected);
    }
    expect(followed).toBe(false);
  });

  test("fails/an endless answer is broken off at the limit", async () => {
    let isBrokenOff = false;
    const url = await serve((_, response) => {
      response.once("close", () => (isBrokenOff = true));
      const more = () => {
        if (!response.destroyed) response.write(new Uint8Array(65_536), () => setImmediate(more));
      };
      more();
    });
    await expect(transport.post(url, "t")).rejects.toMatchObject({
      code: "unreachable",
      why: expect.stringContaining(String(limits.tokenBytes)),
    });
    await expect.poll(() => isBrokenOff).toBe(true);
  });

  test("fails/no answer, and an answer that stops in the middle", async () => {
    const mute = await serve(() => {});
    const soon = () => ({ signal: AbortSignal.timeout(200) });
    await expect(transport.post(mute, "t", soon())).rejects.toMatchObject({ code: "unreachable" });
    const stopping = await serve((_, response) => void response.writeHead(200).write("x"));
    await expect(transport.post(stopping, "t", soon())).rejects.toMatchObject({ code: "unreachable" });
    await expect(transport.post("http://127.0.0.1:1", "t")).rejects.toMatchObject({
      why: expect.stringMatching(/127\.0\.0\.1:1/),
    });
  });

  test("ok/a signal that aborts when all is done harms neither this answer nor the next", async () => {
    const url = await serve((_, response) => response.end("x"));
    const ends = new AbortController();
    await transport.post(url, "t", { signal: ends.signal });
    const { body } = await transport.get(url, undefined, { signal: ends.signal });
    // As whoever knows the length reads it: to the last byte, and not to the end.
    const pieces = body[Symbol.asyncIterator]();
    expect((await pieces.next()).value).toHaveLength(1);
    ends.abort();
    await pieces.return?.();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await transport.post(url, "t")).toMatchObject({ status: 200 });
    const aborted = transport.post(url, "t", { signal: AbortSignal.abort() });
    await expect(aborted).rejects.toMatchObject({ code: "unreachable" });
  });

  test("ok/breaking off the iteration ends the transfer", async () => {
    let closed = false;
    const url = await serve((_, response) => {
      response.on("close", () => (closed = true));
      response.writeHead(200).write(new Uint8Array(100_000));
    });
    const { body } = await transport.get(url);
    for await (const piece of body) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    await expect.poll(() => closed).toBe(true);
  });
});

test.each([
  ["node", nodeMessageTransport],
  ["fetch", fetchMessageTransport],
] as const)("ok/%s: an object that is not there leaves no connection open", async (_, makeTransport) => {
  let connections = 0;
  const url = await serve((request, response) => {
    connections += 1;
    request.socket.once("close", () => (connections -= 1));
    response.writeHead(404).write("{}");
  });
  const timing = { monotonic: () => performance.now() / 1000, sleep: async () => {}, random: () => 0 };
  const patience = new Patience(toSettings({ timing, maxWaitSeconds: 0.2 }));
  const reader = new ObjectReader([url], boundedTransport(makeTransport(), patience), patience);
  await expect(reader.read(0, new Uint8Array(9))).rejects.toMatchObject({ code: "no-answer" });
  await expect.poll(() => connections).toBe(0);
});

describe("what Node sends", () => {
  /** A server of bytes: the heads that arrive, each answered with two bytes. */
  async function listenForHeads(): Promise<{ port: number; heads: string[] }> {
    const heads: string[] = [];
    const server = createNetServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", (bytes) => {
        const text = bytes.toString("latin1");
        heads.push(text.slice(0, text.indexOf("\r\n\r\n") + 4));
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closers.push(() => server.close());
    return { port: (server.address() as AddressInfo).port, heads };
  }

  test("ok/the head of a message is as small as HTTP allows, a third of what fetch sends", async () => {
    const { port, heads } = await listenForHeads();
    const url = `http://127.0.0.1:${port}/messages`;
    for (const transport of [nodeMessageTransport(), fetchMessageTransport()])
      await transport.post(url, "t".repeat(1_700));
    const [small = "", large = ""] = heads;
    expect(small).toBe(
      `POST /messages HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/jose\r\nContent-Length: 1700\r\n\r\n`,
    );
    expect(small.length).toBeLessThanOrEqual(110);
    expect(large.length).toBeGreaterThan(2 * small.length);
  });

  describe("in gzip", () => {
    const seen: { coding: string | undefined; text: string }[] = [];
    async function listen(answer: { status: number; headers?: Record<string, string>; body: Buffer }) {
      seen.length = 0;
      const server = createServer((request, response) => {
        void buffer(request).then((body) => {
          const coding = request.headers["content-encoding"];
          seen.push({ coding, text: (coding === "gzip" ? gunzipSync(body) : body).toString() });
          response.writeHead(answer.status, answer.headers).end(answer.body);
        });
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      closers.push(() => server.close());
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}/messages`;
    }
    const gzip = { "content-encoding": "gzip" };

    test("ok/sends a token so, and reads an answer in it", async () => {
      const url = await listen({ status: 200, headers: gzip, body: gzipSync("answer") });
      const { body } = await nodeMessageTransport({ coding: "gzip" }).post(url, "token");
      expect(Buffer.from(body).toString()).toBe("answer");
      expect(seen).toEqual([{ coding: "gzip", text: "token" }]);
    });

    test.each([400, 415])("ok/after %i it sends that base plain ones", async (status) => {
      const url = await listen({ status, body: Buffer.from("no") });
      const transport = nodeMessageTransport({ coding: "gzip" });
      await transport.post(url, "token");
      await transport.post(url, "token");
      expect(seen.map(({ coding, text }) => [coding, text])).toEqual([
        ["gzip", "token"],
        [undefined, "token"],
      ]);
    });

    test("fails/an answer that unfolds to more than a token, or is no gzip", async () => {
      const bomb = await listen({ status: 200, headers: gzip, body: gzipSync(Buffer.alloc(50_000_000)) });
      await expect(nodeMessageTransport().post(bomb, "token")).rejects.toMatchObject({ code: "unreachable" });
      const none = await listen({ status: 200, headers: gzip, body: Buffer.from("none") });
      await expect(nodeMessageTransport().post(none, "token")).rejects.toMatchObject({ code: "unreachable" });
    });
  });

  test("ok/a proxy of the environment carries messages to other hosts, and none to this machine", async () => {
    const [proxy, here] = [await listenForHeads(), await listenForHeads()];
    vi.stubEnv("HTTP_PROXY", `http://127.0.0.1:${proxy.port}`);
    vi.stubEnv("NO_PROXY", "");
    const transport = nodeMessageTransport();
    const answer = await transport.post("http://meters.example/messages", "t");
    expect(Buffer.from(answer.body).toString()).toBe("ok");
    expect(proxy.heads[0]).toMatch(/^POST http:\/\/meters\.example\/messages HTTP/);
    await transport.post(`http://127.0.0.1:${here.port}/messages`, "t");
    expect([proxy.heads.length, here.heads.length]).toEqual([1, 1]);
  });

  test("ok/the bootstrap asks the proxy for a tunnel, and trusts it with nothing", async () => {
    const asked: string[] = [];
    const proxy = createNetServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", (bytes) => {
        asked.push(bytes.toString("latin1"));
        socket.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
      });
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    closers.push(() => proxy.close());
    vi.stubEnv("HTTPS_PROXY", `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
    vi.stubEnv("NO_PROXY", "");
    const connection = httpsBootstrapTransport().connect(undefined);
    const post = connection.post("https://meters.example/bootstrap/token", { authorization: "Basic c2VjcmV0" }, "x");
    await expect(post).rejects.toMatchObject({ code: "unreachable" });
    await connection.close();
    expect(asked[0]).toMatch(/^CONNECT meters\.example:443 HTTP/);
    expect(asked.join("")).not.toContain("c2VjcmV0");
  });
});

test("ok/a refusal is about a local stack on this machine alone", () => {
  const circumstanceAt = (url: string, why = "ECONNREFUSED") => unreachable(new URL(url), why, undefined).circumstance;
  for (const host of ["localhost:1", "api.localhost", "127.0.0.1:8080", "[::1]:1"]) {
    expect(circumstanceAt(`http://${host}/x`), host).toBe("nobody-on-this-machine");
    expect(circumstanceAt(`http://${host}/x`, "ECONNRESET"), host).toBeUndefined();
  }
  for (const host of ["relay.test", "localhost.test", "127.0.0.1.test"])
    expect(circumstanceAt(`http://${host}`), host).toBeUndefined();
});
