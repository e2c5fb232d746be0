import { createServer, type Server } from "node:net";

import { LocalFault } from "../fault.ts";
import { loopback } from "../emulator/loopback.ts";

/** Listens on loopback and returns the port; 0 asks for a free one. */
export async function listen(server: Server, port = 0, name = "server"): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const reason =
        error.code === "EADDRINUSE"
          ? "another program has it. Choose another one, or leave the option out for a free one."
          : error.code === "EACCES"
            ? "ports below 1024 need rights that this does not want. Choose a higher one."
            : error.message;
      reject(
        new LocalFault("port-unavailable", `The ${name} cannot listen on port ${port}: ${reason}`, {
          cause: error,
        }),
      );
    });
    server.listen(port, loopback, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : port);
    });
  });
}

/** Fails early, before minutes of other work, when a port that was asked for cannot be had. */
export async function assertPortAvailable(port: number, name: string): Promise<void> {
  if (port === 0) return;
  const probe = createServer();
  await listen(probe, port, name);
  await new Promise<void>((resolve) => {
    probe.close(() => resolve());
  });
}
