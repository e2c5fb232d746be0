import { once } from "node:events";
import { createServer as createTcpServer, connect as tcpConnect } from "node:net";
import { connect, createServer, type SecureVersion } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";

import { issueEdgeCertificates } from "../../local/network/certificates.ts";
import { listen } from "../../local/network/listen.ts";
import { recordedBytes, startRecorder } from "../../local/network/recorder.ts";

const certificates = issueEdgeCertificates();
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function tlsEcho(ecdhCurve?: string): Promise<number> {
  const server = createServer(
    {
      cert: certificates.certificate,
      key: certificates.privateKey,
      ...(ecdhCurve === undefined ? {} : { ecdhCurve }),
    },
    (socket) => socket.pipe(socket),
  );
  ends.push(() => server.close());
  return listen(server);
}

async function talk(port: number, text: string, version: SecureVersion): Promise<string> {
  const socket = connect({
    host: "127.0.0.1",
    port,
    ca: certificates.ca,
    servername: "localhost",
    minVersion: version,
    maxVersion: version,
    // A server that takes only the last must ask for another hello: the first one's key share is not of use to it.
    ecdhCurve: "X25519:P-256:P-384",
  });
  await once(socket, "secureConnect");
  socket.write(text);
  const [answer] = await once(socket, "data");
  socket.end();
  await once(socket, "close");
  return String(answer);
}

describe("recorder", () => {
  it.each(["TLSv1.3", "TLSv1.2"] as const)("ok/counts %s handshakes and hides nothing", async (version) => {
    const recorder = await startRecorder({ targetPort: await tlsEcho() });
    ends.push(() => recorder.close());
    const secret = "in the clear nowhere on this connection";
    expect(await talk(recorder.port, secret, version)).toBe(secret);
    expect(await talk(recorder.port, secret, version)).toBe(secret);

    expect(recorder.clientHellos()).toEqual({ clientHellos: 2, retries: 0, tls: true });
    for (const connection of recorder.connections) {
      const sent = recordedBytes(connection, "toServer");
      expect(sent.length).toBeGreaterThan(secret.length);
      expect(sent.includes(secret)).toBe(false);
      expect(recordedBytes(connection, "toClient").length).toBeGreaterThan(secret.length);
    }
  });

  it("ok/tells a hello after HelloRetryRequest from another handshake", async () => {
    const recorder = await startRecorder({ targetPort: await tlsEcho("P-384") });
    ends.push(() => recorder.close());
    await talk(recorder.port, "x", "TLSv1.3");
    expect(recorder.clientHellos()).toEqual({ clientHellos: 1, retries: 1, tls: true });
  });

  it("ok/keeps every byte, its direction and its time, and knows what is open", async () => {
    const server = createTcpServer((socket) => {
      socket.once("data", () => socket.end("pong"));
    });
    ends.push(() => server.close());
    const recorder = await startRecorder({ targetPort: await listen(server) });
    ends.push(() => recorder.close());
    const before = Date.now();
    const socket = tcpConnect({ host: "127.0.0.1", port: recorder.port });
    await once(socket, "connect");
    await expect.poll(() => recorder.openConnections()).toBe(1);
    socket.write("ping");
    socket.resume();
    await once(socket, "close");
    await expect.poll(() => recorder.openConnections()).toBe(0);
    const [connection] = recorder.connections;
    expect(connection && recordedBytes(connection, "toServer").toString()).toBe("ping");
    expect(connection && recordedBytes(connection, "toClient").toString()).toBe("pong");
    expect(connection?.closedAt).toBeGreaterThanOrEqual(connection?.openedAt ?? Infinity);
    for (const chunk of connection?.chunks ?? []) expect(chunk.at).toBeGreaterThanOrEqual(before);
    expect(recorder.clientHellos().tls).toBe(false);
  });

  it("ok/passes a reset on", async () => {
    const server = createTcpServer((socket) => {
      socket.once("data", () => socket.resetAndDestroy());
    });
    ends.push(() => server.close());
    const recorder = await startRecorder({ targetPort: await listen(server) });
    ends.push(() => recorder.close());
    const socket = tcpConnect({ host: "127.0.0.1", port: recorder.port });
    socket.write("ping");
    const [error] = await once(socket, "error").catch((thrown: unknown) => [thrown]);
    expect(error).toMatchObject({ code: "ECONNRESET" });
  });
});
