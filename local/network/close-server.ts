import type { Agent, Server } from "node:http";

/** Ends a server at once, with its idle and its busy connections. */
export async function closeServer(server: Server, agent?: Agent): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeAllConnections();
  await closed;
  agent?.destroy();
}
