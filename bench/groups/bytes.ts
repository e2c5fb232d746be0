import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import { buffer } from "node:stream/consumers";

import { nodeMessageTransport } from "../../device/adapters/node-message-transport.ts";
import { makeHandler } from "../../functions/carriers/http.ts";
import { type Recorder, startRecorder } from "../../local/network/recorder.ts";
import { agreementKey } from "../../test/support/keys.ts";
import { rawDevice, registration } from "../../test/support/raw-device.ts";
import { type TestService, present, startService } from "../../test/support/service.ts";
import { startMutualTls } from "../peers/mutual-tls.ts";
import { type Aim, type Row, toRow } from "../row.ts";

const group = "bytes";

/**
 * What a link carries for one exchange of at most 100 bytes, from SYN to FIN: the payload of TCP as it passed, and for each chunk that passed the heads
 * of a segment and of its acknowledgement, beside those of opening and closing. How many segments a real link makes of it is estimated.
 */
export async function bytes(): Promise<Row[]> {
  const small: Sent = { operation: "firmware.check", body: { firmware: registration.firmware } };
  const [agreement, coded, rsa] = [
    await sealed("agreement", small),
    await sealed("agreement", small, "gzip"),
    await sealed("rsa", small),
  ];
  const [full, resumed] = [await tls("full", small), await tls("resumed", small)];
  const large: Sent = { operation: "readings", body: { stream: "energy", records: records(kibi) } };
  const largeAgreement = await sealed("agreement", large);
  const [largeFull, largeResumed] = [await tls("full", large), await tls("resumed", large)];
  const names = {
    full: "mutual TLS 1.3, full, and plain HTTP in it",
    resumed: "mutual TLS 1.3, resumed, and plain HTTP in it",
  };
  const aim = { of: "ratio", most: 0.6 } as const;
  const carried = (name: string, ours: number, kind: keyof typeof names, peer: number, aim?: Aim) =>
    toRow({ group, unit: "B", name, ours, peer: [names[kind], peer], aim });
  return [
    carried("exchange, ECDH-ES+A256KW", agreement, "full", full, aim),
    carried("exchange, ECDH-ES+A256KW", agreement, "resumed", resumed),
    carried("exchange, ECDH-ES+A256KW, in gzip", coded, "full", full, aim),
    carried("exchange, RSA-OAEP-256", rsa, "full", full),
    carried("exchange, RSA-OAEP-256", rsa, "resumed", resumed),
    carried("exchange, ECDH-ES+A256KW, 1 KiB", largeAgreement, "full", largeFull),
    carried("exchange, ECDH-ES+A256KW, 1 KiB", largeAgreement, "resumed", largeResumed),
  ];
}

const kibi = 1024;

type Sent = { readonly operation: string; readonly body: Record<string, unknown> };

/** A series of about so many bytes. */
function records(bytes: number): readonly object[] {
  const record = (n: number) => ({ time: present - 900 * n, name: "active", unit: "Wh", sum: 12_345_678 + n });
  return Array.from({ length: Math.floor(bytes / JSON.stringify(record(0)).length) }, (_, n) => record(n));
}

/** IPv4 and TCP with time stamps. */
const segmentHead = 20 + 32;
const segmentPayload = 1_448;
/** SYN, SYN and ACK, ACK; FIN, FIN and ACK, ACK. */
const openingAndClosing = 6 * segmentHead;

function bytesOf({ connections }: Pick<Recorder, "connections">): number {
  const chunks = connections.at(-1)?.chunks ?? [];
  const segments = chunks.reduce((sum, { bytes }) => sum + Math.ceil(bytes.length / segmentPayload), 0);
  const payload = chunks.reduce((sum, { bytes }) => sum + bytes.length, 0);
  return payload + 2 * segments * segmentHead + openingAndClosing;
}

async function sealed(key: "rsa" | "agreement", { operation, body }: Sent, coding?: "gzip"): Promise<number> {
  const service = await startService();
  const device = await rawDevice(service);
  await device.exchange(await device.claimsOf("register", registration, { seq: 1 }));
  const { jwk } = await agreementKey();
  const claims = { jti: "A".repeat(16), replyKey: { ...jwk, alg: "ECDH-ES" as const } };
  const place = { seq: 2, ack: 1 };
  const check = await device.claimsOf(operation, body, place, { claims, key });
  const { token } = await device.seal(check, key);
  const server = createServer((request, response) => void answer(service, request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  const recorder = await startRecorder({ targetPort: address.port });
  const answered = await nodeMessageTransport(coding ? { coding } : {}).post(
    `http://127.0.0.1:${recorder.port}/messages`,
    token,
  );
  if (answered.status !== 200) throw new Error(`answered ${answered.status}`);
  const counted = bytesOf(recorder);
  await recorder.close();
  server.closeAllConnections();
  server.close();
  return counted;
}

/** With the head that HTTP answers have on AWS at the least: no field of CloudFront is in it. */
async function answer({ messages }: TestService, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const sent = await buffer(request);
  const event = { routeKey: "POST /messages", headers: {}, body: sent.toString("base64"), isBase64Encoded: true };
  const { statusCode, headers, body, isBase64Encoded } = await makeHandler(messages, () => present * 1_000)(event);
  const { "cache-control": _, ...least } = headers ?? {};
  const answer = Buffer.from(body ?? "", isBase64Encoded ? "base64" : "latin1");
  response.writeHead(statusCode ?? 500, { ...least, "content-length": answer.length });
  response.end(answer);
}

async function tls(kind: "full" | "resumed", sent: Sent): Promise<number> {
  const body = JSON.stringify({ operation: sent.operation, ...sent.body });
  const head = "POST /messages HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\n";
  const request = `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  const reply = '{"offer":null}';
  const date = "Date: Fri, 15 Jan 2027 08:00:00 GMT\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n";
  const response = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n${date}Content-Length: ${reply.length}\r\n\r\n${reply}`;
  const recorders: Recorder[] = [];
  const peer = await startMutualTls(response, async (targetPort) => {
    const recorder = await startRecorder({ targetPort });
    recorders.push(recorder);
    return recorder.port;
  });
  await peer.connect({ kind, times: 1, request });
  const [recorder] = recorders;
  if (!recorder) throw new Error("nothing was recorded");
  const counted = bytesOf(recorder);
  await recorder.close();
  await peer.close();
  return counted;
}
