import { STATUS_CODES, type ServerResponse } from "node:http";

/** An edge's own answer (RFC 9457); what the system itself answers passes through untouched. */
export function sendProblem(response: ServerResponse, status: number): void {
  const body = JSON.stringify({
    type: "about:blank",
    title: STATUS_CODES[status] ?? "Error",
    status,
  });
  response.writeHead(status, {
    "Content-Type": "application/problem+json",
    "Content-Length": Buffer.byteLength(body),
    "Cache-Control": "no-store",
  });
  response.end(body);
}
