import { Agent, type RequestOptions, request } from "node:https";

import { limits } from "@sealpost/protocol/limits.ts";

import { DeviceError } from "../device-error.ts";
import type { BootstrapTransport, HttpAnswer } from "../ports.ts";
import { readAll } from "../read-all.ts";
import { errorCode } from "./durable-file.ts";
import { connectOptions } from "./node-agent.ts";
import { unreachable } from "./unreachable.ts";

/**
 * Bootstrap over `node:https`, since fetch has no CA for one call and no way to close its pool. One connection at most, kept open between the two
 * requests, verified against the given CA alone or else the public ones; through the proxy of the environment where Node can (`connectOptions`).
 */
export function httpsBootstrapTransport(): BootstrapTransport {
  return {
    connect(ca) {
      let agent: Agent | undefined;
      return {
        async post(url, headers, body, { signal } = {}) {
          const target = new URL(url);
          if (target.protocol !== "https:") throw new DeviceError("tls-not-trusted", `${target.origin} is not https`);
          agent ??= new Agent({
            keepAlive: true,
            maxSockets: 1,
            minVersion: "TLSv1.2",
            rejectUnauthorized: true,
            ...connectOptions(target),
            ...(ca === undefined ? {} : { ca }),
          });
          return send(target, { agent, method: "POST", headers, ...(signal && { signal }) }, body);
        },
        async close() {
          agent?.destroy();
        },
      };
    },
  };
}

/** node:https follows no redirect: a 3xx is an answer like any other, and not the expected one. */
async function send(url: URL, options: RequestOptions, body: string): Promise<HttpAnswer> {
  const length = { "content-length": String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => reject(toDeviceError(url, cause));
    request(url, { ...options, headers: { ...options.headers, ...length } }, (response) => {
      const { statusCode: status = 0, headers } = response;
      readAll(response, limits.tokenBytes).then(
        (bytes) => resolve({ status, contentType: headers["content-type"] ?? "", body: bytes }),
        fail,
      );
    })
      .on("error", fail)
      .end(body);
  });
}

/** The codes by which Node says that a certificate does not verify (X509_V_ERR_…, RFC 9525 names) or TLS failed. */
const distrust = /CERT|ISSUER|SELF_SIGNED|SIGNATURE|TLS|SSL|EPROTO|CRL|HOSTNAME/;

function toDeviceError(url: URL, cause: Error): DeviceError {
  const code = codeOf(cause);
  if (code !== undefined && distrust.test(code)) {
    return new DeviceError("tls-not-trusted", `${url.origin} (${code})`, { cause });
  }
  return unreachable(url, code ?? "the connection failed", cause);
}

/** With several addresses the codes are in the list. */
function codeOf(cause: Error): string | undefined {
  const own = errorCode(cause);
  if (own !== undefined || !(cause instanceof AggregateError)) return own;
  return errorCode(cause.errors[0]);
}
