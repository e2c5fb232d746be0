import type { IncomingMessage } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

import { Sha256 } from "@aws-crypto/sha256-js";
import { SignatureV4 } from "@smithy/signature-v4";

import { issueEdgeCertificates } from "../../local/network/certificates.ts";
import { event, startOperator } from "./operator.ts";

export const credentials = { accessKeyId: "LOCAL", secretAccessKey: "local-secret" };

type Operator = ReturnType<typeof startOperator>;

/**
 * The operator function behind TLS and a check of the signature, in the place of API Gateway. The signature is computed once more from what
 * arrived, by the secret that both sides know.
 */
export async function startApi(operator: Operator) {
  const { ca, certificate, privateKey } = issueEdgeCertificates();
  const server = createServer({ cert: certificate, key: privateKey }, async (request, response) => {
    const body = await text(request);
    const url = new URL(request.url ?? "", "https://api.invalid");
    const query = Object.fromEntries(url.searchParams);
    const signed = await isSigned(request, url.pathname, query, body);
    const answer = signed
      ? await operator.send({
          ...event(`${request.method} ${url.pathname}`),
          queryStringParameters: query,
          ...(body === "" ? {} : { body }),
        })
      : { status: 403, type: "application/json", body: { message: "Forbidden" } };
    response.writeHead(answer.status, { "content-type": String(answer.type) });
    response.end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return { ca, port, close: () => new Promise((resolve) => server.close(resolve)) };
}

async function isSigned(
  request: IncomingMessage,
  path: string,
  query: Record<string, string>,
  body: string,
): Promise<boolean> {
  const { authorization = "", host = "", ...headers } = request.headers;
  const signedNames = /SignedHeaders=([^,]+)/u.exec(authorization)?.[1]?.split(";") ?? [];
  const [, date = ""] = /^(\d{8}T\d{6}Z)$/u.exec(String(headers["x-amz-date"])) ?? [];
  const when = date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/u, "$1-$2-$3T$4:$5:$6Z");
  const signer = new SignatureV4({ service: "execute-api", region: "us-east-1", credentials, sha256: Sha256 });
  const all: Record<string, unknown> = { ...headers, host };
  const again = await signer.sign(
    {
      method: request.method ?? "",
      protocol: "https:",
      hostname: host,
      path,
      query,
      headers: Object.fromEntries(signedNames.map((name) => [name, String(all[name])])),
      body,
    },
    { signingDate: when },
  );
  return signedNames.includes("host") && again.headers["authorization"] === authorization;
}
