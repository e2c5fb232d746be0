import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";

import { awsError, type AwsError, throttlingError } from "./aws-error.ts";
import { closeServer } from "./close-server.ts";
import { endToEnd, keepAliveAgent } from "./forward.ts";
import { listen } from "./listen.ts";
import { assertLoopback, loopback } from "../emulator/loopback.ts";

export type FaultKind =
  /** The service's own throttling error; nothing is forwarded. */
  | { readonly kind: "throttle" }
  /** Any other error of the service; nothing is forwarded. */
  | { readonly kind: "error"; readonly error: AwsError }
  /** The connection is reset; nothing is forwarded. */
  | { readonly kind: "reset" }
  /** The service does the work, and the connection is reset instead of its answer. */
  | { readonly kind: "dropReply" };

export type FaultPlan = FaultKind & {
  /** An operation's name ("Sign", "TransactWriteItems"); left out: every operation. */
  readonly operation?: string;
  /** How many matching calls it hits; 1 unless told. */
  readonly times?: number;
  /** How many matching calls pass before; 0 unless told. */
  readonly after?: number;
};

export type PlannedFault = {
  /** How many calls it has hit: assert it, or the test may have tested nothing. */
  hits(): number;
};

export type Proxy = {
  /** For AWS_ENDPOINT_URL_KMS and AWS_ENDPOINT_URL_DYNAMODB of a function. */
  readonly url: string;
  /** Calls that arrived since the last `reset`, faulted ones included, by operation. */
  counts(): Readonly<Record<string, number>>;
  /** Forgets counts and planned faults. */
  reset(): void;
  fault(plan: FaultPlan): PlannedFault;
  close(): Promise<void>;
};

/** One call that was forwarded, and what came back. */
export type ProxiedCall = { readonly operation: string; readonly request: Buffer; readonly reply: Buffer };

type Armed = { readonly plan: FaultPlan; passed: number; hit: number };

/**
 * Stands between a function and an AWS service to count its calls and to fail them: the emulator itself never throttles
 * and never loses a reply. The Host header passes unchanged, so the SDK's signature stays valid.
 */
export async function startProxy(options: {
  readonly target: string;
  readonly onCall?: (call: ProxiedCall) => void;
}): Promise<Proxy> {
  const target = assertLoopback(options.target);
  const agent = keepAliveAgent();
  let counts: Record<string, number> = {};
  let armed: Armed[] = [];

  const takeFault = (operation: string): FaultKind | undefined => {
    for (const fault of armed) {
      const { plan } = fault;
      if (plan.operation !== undefined && plan.operation !== operation) continue;
      if (fault.hit >= (plan.times ?? 1)) continue;
      if (fault.passed < (plan.after ?? 0)) {
        fault.passed += 1;
        continue;
      }
      fault.hit += 1;
      return plan;
    }
    return undefined;
  };

  const server = createServer((incoming, outgoing) => {
    const operation = operationOf(incoming);
    counts[operation] = (counts[operation] ?? 0) + 1;
    const fault = takeFault(operation);
    answer(incoming, outgoing, fault).catch(() => reset(incoming));
  });

  async function answer(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    fault: FaultKind | undefined,
  ): Promise<void> {
    if (fault?.kind === "reset") {
      reset(incoming);
      return;
    }
    const body = await buffer(incoming);
    if (fault?.kind === "throttle") sendError(incoming, outgoing, throttlingError(targetOf(incoming)));
    else if (fault?.kind === "error") sendError(incoming, outgoing, fault.error);
    else {
      const reply = await onward(incoming, body);
      options.onCall?.({ operation: operationOf(incoming), request: body, reply: reply.body });
      if (fault?.kind === "dropReply") reset(incoming);
      else {
        outgoing.writeHead(reply.status, reply.headers);
        outgoing.end(reply.body);
      }
    }
  }

  function onward(
    incoming: IncomingMessage,
    body: Buffer,
  ): Promise<{ status: number; headers: string[]; body: Buffer }> {
    return new Promise((resolve, reject) => {
      const call = request({
        host: target.hostname.replace(/^\[|\]$/gu, ""),
        port: target.port,
        agent,
        method: incoming.method,
        path: incoming.url,
        headers: endToEnd(incoming.rawHeaders),
      });
      call.once("error", reject);
      call.once("response", (reply) => {
        buffer(reply).then(
          (bytes) =>
            resolve({
              status: reply.statusCode ?? 502,
              headers: endToEnd(reply.rawHeaders),
              body: bytes,
            }),
          reject,
        );
      });
      call.end(body);
    });
  }

  const port = await listen(server, 0, "proxy");
  return {
    url: `http://${loopback}:${port}`,
    counts: () => ({ ...counts }),
    reset: () => {
      counts = {};
      armed = [];
    },
    fault: (plan) => {
      const fault: Armed = { plan, passed: 0, hit: 0 };
      armed.push(fault);
      return { hits: () => fault.hit };
    },
    close: () => closeServer(server, agent),
  };
}

/** "TrentService.Sign", "DynamoDB_20120810.GetItem"; empty for services that name the operation elsewhere. */
function targetOf(incoming: IncomingMessage): string {
  const header = incoming.headers["x-amz-target"];
  return typeof header === "string" ? header : "";
}

function operationOf(incoming: IncomingMessage): string {
  const named = targetOf(incoming).split(".").at(-1);
  return named || `${incoming.method} ${incoming.url?.split("?", 1)[0]}`;
}

function reset(incoming: IncomingMessage): void {
  incoming.socket.resetAndDestroy();
}

function sendError(incoming: IncomingMessage, outgoing: ServerResponse, error: AwsError): void {
  const { status, body } = awsError(error);
  outgoing.writeHead(status, {
    "Content-Type": incoming.headers["content-type"] ?? "application/x-amz-json-1.1",
    "Content-Length": Buffer.byteLength(body),
    "x-amzn-RequestId": randomUUID(),
  });
  outgoing.end(body);
}
