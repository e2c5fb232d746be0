import { type ConnectionOptions, connect } from "node:tls";

import type { ClientOrder, ClientSettings } from "./mutual-tls.ts";

/** The device's side of `mutual-tls.ts`. */

let options: ConnectionOptions = {};
let ticket: Buffer | undefined;

process.on("message", (message: ClientSettings | ClientOrder) => {
  act(message).then(
    () => process.send?.("done"),
    (error: unknown) => process.send?.(String(error)),
  );
});

async function act(message: ClientSettings | ClientOrder): Promise<void> {
  if ("times" in message) {
    for (let n = 0; n < message.times; n += 1) await visit(message);
    return;
  }
  const { port, ca, certificate, privateKey } = message;
  options = {
    host: "127.0.0.1",
    port,
    servername: "localhost",
    ca,
    cert: certificate,
    key: privateKey,
    minVersion: "TLSv1.3",
    ecdhCurve: "P-256",
  };
  await visit({ kind: "full", request: "" });
}

function visit({ kind, request }: Pick<ClientOrder, "kind" | "request">): Promise<void> {
  return new Promise((resolve, reject) => {
    const session = kind === "resumed" && ticket ? { session: ticket } : {};
    const socket = connect({ ...options, ...session });
    socket.setNoDelay(true);
    socket.once("secureConnect", () => {
      if (socket.isSessionReused() !== (kind === "resumed")) reject(new Error("not the handshake that was asked for"));
      if (request !== "") socket.write(request);
      // No new ticket comes with a session that is taken up again.
      else if (kind === "resumed") socket.end();
    });
    socket.on("session", (fresh) => {
      ticket = fresh;
      if (request === "" && kind === "full") socket.end();
    });
    socket.on("data", () => {});
    socket.once("end", () => socket.end());
    socket.once("error", reject);
    socket.once("close", () => resolve());
  });
}
