import { connect, createServer, type Socket } from "node:net";

import { type ClientHelloCount, countClientHellos } from "./client-hello.ts";
import { listen } from "./listen.ts";
import { loopback } from "../emulator/loopback.ts";

export type Direction = "toServer" | "toClient";

export type RecordedChunk = {
  readonly direction: Direction;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly bytes: Buffer;
};

export type RecordedConnection = {
  readonly openedAt: number;
  /** Milliseconds since the Unix epoch; undefined while it is open. */
  readonly closedAt: number | undefined;
  readonly chunks: readonly RecordedChunk[];
};

export type Recorder = {
  readonly port: number;
  /** Every connection so far, oldest first; live objects. */
  readonly connections: readonly RecordedConnection[];
  /** How many are open at this moment. */
  openConnections(): number;
  /** TLS handshakes begun on all connections together. */
  clientHellos(): ClientHelloCount;
  close(): Promise<void>;
};

export type RecorderOptions = {
  readonly targetPort: number;
  readonly targetHost?: string;
  readonly port?: number;
};

/** A transparent TCP forwarder that keeps every byte of both directions with its time. */
export async function startRecorder(options: RecorderOptions): Promise<Recorder> {
  const connections: (RecordedConnection & { closedAt: number | undefined })[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const chunks: RecordedChunk[] = [];
    const connection: (typeof connections)[number] = {
      openedAt: Date.now(),
      closedAt: undefined,
      chunks,
    };
    connections.push(connection);
    const upstream = connect({
      host: options.targetHost ?? loopback,
      port: options.targetPort,
      allowHalfOpen: true,
    });
    couple(client, upstream, (bytes) => chunks.push({ direction: "toServer", at: Date.now(), bytes }));
    couple(upstream, client, (bytes) => chunks.push({ direction: "toClient", at: Date.now(), bytes }));
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    }
    client.once("close", () => {
      connection.closedAt = Date.now();
    });
  });
  const port = await listen(server, options.port, "recorder");
  return {
    port,
    connections,
    openConnections: () => connections.filter((each) => each.closedAt === undefined).length,
    clientHellos: () =>
      connections
        .map((each) => countClientHellos(recordedBytes(each, "toServer")))
        .reduce(
          (sum, each) => ({
            clientHellos: sum.clientHellos + each.clientHellos,
            retries: sum.retries + each.retries,
            tls: sum.tls && each.tls,
          }),
          { clientHellos: 0, retries: 0, tls: true },
        ),
    close: async () => {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** What one side of a connection sent, in order. */
export function recordedBytes(connection: RecordedConnection, direction: Direction): Buffer {
  return Buffer.concat(connection.chunks.flatMap((chunk) => (chunk.direction === direction ? [chunk.bytes] : [])));
}

/** Passes bytes, the end and a reset on: an end and a reset are different news to a client. */
function couple(from: Socket, to: Socket, record: (bytes: Buffer) => void): void {
  from.setNoDelay(true);
  from.on("data", (bytes: Buffer) => record(Buffer.from(bytes)));
  from.pipe(to);
  from.once("error", () => to.resetAndDestroy());
  from.once("close", () => {
    if (!to.writableEnded) to.destroy();
  });
}
