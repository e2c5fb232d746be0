import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type TLSSocket, createServer } from "node:tls";

import { issueEdgeCertificates } from "../../local/network/certificates.ts";
import { listen } from "../../local/network/listen.ts";

/** What the client, in a process of its own, is told once. */
export type ClientSettings = {
  readonly port: number;
  readonly ca: string;
  readonly certificate: string;
  readonly privateKey: string;
};
export type ClientOrder = {
  readonly kind: "full" | "resumed";
  readonly times: number;
  /** What it sends, as text; the server answers what ends like a request. */
  readonly request: string;
};

export type MutualTls = {
  readonly port: number;
  /** As many connections in turn, each from SYN to FIN. */
  connect(order: Omit<ClientOrder, "request"> & { readonly request?: string }): Promise<void>;
  close(): Promise<void>;
};

/**
 * Mutual TLS 1.3 on P-256 with ES256 certificates at both ends: what a device does that opens a connection for each message. The server is in this
 * process, so that its processor time can be taken.
 * @param answer to what the client sent
 * @param clientPort where the client dials, when something stands between
 */
export async function startMutualTls(answer = "", clientPort?: (port: number) => Promise<number>): Promise<MutualTls> {
  const server = issueEdgeCertificates();
  const client = issueEdgeCertificates(new Date(), "client");
  const tls = createServer({
    cert: server.certificate,
    key: server.privateKey,
    ca: client.ca,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
    ecdhCurve: "P-256",
  });
  // A client that is refused learns of it after its own handshake is done: without this the figures would be of refusals.
  let refused: Error | undefined;
  tls.on("tlsClientError", (error) => (refused = error));
  tls.on("secureConnection", (socket: TLSSocket) => {
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("data", () => socket.end(answer));
    socket.on("end", () => socket.end());
  });
  const port = await listen(tls, 0, "mutual TLS");
  const child = fork(join(import.meta.dirname, "tls-client.ts"), { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  await reply(child, {
    port: (await clientPort?.(port)) ?? port,
    ca: server.ca,
    certificate: client.certificate,
    privateKey: client.privateKey,
  });
  return {
    port,
    connect: async (order) => {
      await reply(child, { request: "", ...order });
      if (refused) throw refused;
    },
    close: async () => {
      child.disconnect();
      await new Promise((resolve) => tls.close(resolve));
    },
  };
}

async function reply(child: ChildProcess, message: ClientSettings | ClientOrder): Promise<void> {
  child.send(message);
  const [answer]: unknown[] = await once(child, "message");
  if (answer !== "done") throw new Error(`the TLS client: ${String(answer)}`);
}
