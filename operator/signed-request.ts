import { request } from "node:https";

import { Sha256 } from "@aws-crypto/sha256-js";
import { SignatureV4 } from "@smithy/signature-v4";

import { credentialsOf } from "./aws-access.ts";
import { lookup } from "./loopback.ts";
import type { Access } from "./stack.ts";

export type SignedRequest = {
  readonly method: "GET" | "POST";
  readonly baseUrl: string;
  readonly path: string;
  readonly query?: { readonly [name: string]: string };
  /** JSON. */
  readonly body?: string;
};

export type Response = { readonly status: number; readonly type: string; readonly body: string };

const timeoutMs = 35_000;
const responseBytes = 16_777_216;

/** Sends one request signed by AWS Signature Version 4 for `execute-api`; follows no redirect. */
export async function sendSigned(
  { method, baseUrl, path, query = {}, body }: SignedRequest,
  access: Access,
): Promise<Response> {
  const url = new URL(path, baseUrl);
  url.search = new URLSearchParams(query).toString().replaceAll("+", "%20");
  const signer = new SignatureV4({
    service: "execute-api",
    region: access.region,
    credentials: credentialsOf(access),
    sha256: Sha256,
  });
  const { headers } = await signer.sign({
    method,
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    query: { ...query },
    // The port is part of what is signed, as it is of what is sent.
    headers: { host: url.host, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    ...(body === undefined ? {} : { body }),
  });
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      { method, headers, lookup, timeout: timeoutMs, ...(access.local ? { ca: access.local.ca } : {}) },
      (incoming) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        incoming.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > responseBytes) incoming.destroy(new Error("the answer is too large"));
          else chunks.push(chunk);
        });
        incoming.on("error", reject);
        incoming.on("end", () =>
          resolve({
            status: incoming.statusCode ?? 0,
            type: incoming.headers["content-type"] ?? "",
            body: Buffer.concat(chunks).toString("utf8"),
          }),
        );
      },
    );
    outgoing.on("timeout", () =>
      outgoing.destroy(Object.assign(new Error("no answer in time"), { code: "ETIMEDOUT" })),
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
