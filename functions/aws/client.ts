import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import type { RequestOptions } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";

import { Hash } from "@smithy/core/serde";
import { SignatureV4 } from "@smithy/signature-v4";

import { AwsError } from "./error.ts";

/** A service of AWS that speaks AWS JSON: every call is a POST whose header names the operation. */
export type AwsService = {
  /** In host names and in signatures. */
  readonly name: "dynamodb" | "kms";
  /** What `X-Amz-Target` begins with. */
  readonly target: string;
  readonly version: "1.0" | "1.1";
};
export const dynamodb: AwsService = { name: "dynamodb", target: "DynamoDB_20120810", version: "1.0" };
export const kms: AwsService = { name: "kms", target: "TrentService", version: "1.1" };

/**
 * One call.
 * @param input as the service documents it; binary members as base64
 * @returns the answer, of the shape that the service documents; nothing here checks it
 * @throws AwsError
 */
export type AwsClient = <Answer extends object>(operation: string, input: object) => Promise<Answer>;

export type AwsClientOptions = {
  /** For each attempt, from its first byte to the answer's last, milliseconds. */
  readonly timeout: number;
  /** How often a call is tried that failed for no reason of its own. */
  readonly attempts: number;
  readonly region?: string;
  readonly endpoint?: string;
  readonly credentials?: Credentials;
};
type Credentials = { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string };

/**
 * A client of a service. Region, endpoint and credentials come from the variables that Lambda sets and AWS SDKs read, unless they are given.
 * @example const answer = await awsClient(kms, { timeout: 1_500, attempts: 3 })<{ Signature: string }>("Sign", { … });
 */
export function awsClient(service: AwsService, options: AwsClientOptions): AwsClient {
  const { name, target, version } = service;
  const { timeout, attempts, region = process.env["AWS_REGION"] ?? "", credentials = givenCredentials() } = options;
  if (region === "") throw new Error("the environment lacks AWS_REGION, which Lambda sets");
  const endpoint = new URL("/", options.endpoint ?? endpointOf(name, region));
  const signer = new SignatureV4({ service: name, region, credentials, sha256: Hash.bind(null, "sha256") });
  let connection: Connection | undefined;

  const attempt = async (operation: string, body: Buffer): Promise<string> => {
    const { headers } = await signer.sign({
      method: "POST",
      protocol: endpoint.protocol,
      hostname: endpoint.hostname,
      path: "/",
      query: {},
      headers: {
        host: endpoint.host,
        "content-type": `application/x-amz-json-${version}`,
        "x-amz-target": `${target}.${operation}`,
      },
      body,
    });
    const { status, type, text } = await post((connection ??= connect(endpoint)), headers, body, timeout);
    if (status === 200) return text;
    throw AwsError.ofAnswer(status, type, text);
  };

  return async <Answer extends object>(operation: string, input: object) => {
    const body = Buffer.from(JSON.stringify(input));
    for (let tried = 1; ; tried += 1) {
      try {
        return JSON.parse(await attempt(operation, body)) as Answer;
      } catch (cause) {
        const error = cause instanceof AwsError ? cause : AwsError.ofTransport(cause);
        if (!error.isTransient || tried >= attempts) throw error;
        await sleep(Math.random() * pauseMilliseconds * 2 ** tried);
      }
    }
  };
}

/** The pause grows with each attempt and is spread at random, so that functions that failed together do not come back together. */
const pauseMilliseconds = 50;

/** What hosts of a partition end in, where it is not that of most Regions. */
const suffixes = [
  ["cn-", "amazonaws.com.cn"],
  ["eusc-", "amazonaws.eu"],
  ["us-isof-", "csp.hci.ic.gov"],
  ["us-isob-", "sc2s.sgov.gov"],
  ["us-iso-", "c2s.ic.gov"],
  ["eu-isoe-", "cloud.adc-e.uk"],
] as const;

/** @example endpointOf("kms", "cn-north-1"); // "https://kms.cn-north-1.amazonaws.com.cn" */
export function endpointOf(name: AwsService["name"], region: string): string {
  const { env } = process;
  // An empty variable is none.
  const given = env[`AWS_ENDPOINT_URL_${name.toUpperCase()}`] || env["AWS_ENDPOINT_URL"];
  if (given) return given;
  const [, suffix] = suffixes.find(([prefix]) => region.startsWith(prefix)) ?? ["", "amazonaws.com"];
  const variant = env["AWS_USE_FIPS_ENDPOINT"] === "true" ? "-fips" : "";
  return `https://${name}${variant}.${region}.${suffix}`;
}

/** Those of the function's role, which live longer than the process does. */
function givenCredentials(): Credentials {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env;
  return {
    accessKeyId: AWS_ACCESS_KEY_ID ?? "",
    secretAccessKey: AWS_SECRET_ACCESS_KEY ?? "",
    ...(AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {}),
  };
}

type Connection = {
  readonly url: URL;
  readonly agent: Agent;
  request(url: URL, options: RequestOptions, answered: (incoming: IncomingMessage) => void): ClientRequest;
};

/** With the first call; then kept open between calls. What idles keeps no process alive. */
function connect(url: URL): Connection {
  // An `import` of these modules makes every export of theirs, and a cold start pays for a WebSocket.
  const { Agent, request } = process.getBuiltinModule(url.protocol === "http:" ? "node:http" : "node:https");
  return { url, agent: new Agent({ keepAlive: true, maxSockets: 64 }), request };
}

function post(
  { url, agent, request }: Connection,
  headers: Record<string, string>,
  body: Buffer,
  timeout: number,
): Promise<{ readonly status: number; readonly type: string; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const options = { method: "POST", agent, headers: { ...headers, "content-length": String(body.length) } };
    const outgoing = request(url, options, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("error", reject);
      incoming.on("end", () => {
        const type = incoming.headers["x-amzn-errortype"];
        const text = (chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)).toString("utf8");
        resolve({ status: incoming.statusCode ?? 0, type: typeof type === "string" ? type : "", text });
      });
    });
    const deadline = setTimeout(
      () => outgoing.destroy(Object.assign(new Error("no answer in time"), { code: "ETIMEDOUT" })),
      timeout,
    );
    outgoing.on("error", reject);
    outgoing.on("close", () => clearTimeout(deadline));
    outgoing.end(body);
  });
}
