import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { setTimeout as delay } from "node:timers/promises";

import { openKeySet } from "@sealpost/protocol/documents/key-set.ts";
import { catchUpSchema } from "@sealpost/protocol/documents/trust.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import { problemMediaType } from "@sealpost/protocol/messages/problems.ts";
import type { SigningJwk } from "@sealpost/protocol/suites/suites.ts";
import { parseJson } from "@sealpost/protocol/token/strict.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";
import * as z from "zod/mini";

import { lookup } from "./loopback.ts";

/** Whose answer is expected: the service, and every key that may have signed its key set. */
export type Expected = {
  readonly serviceId: string;
  readonly keySetKeys: readonly SigningJwk[];
  /** Before the first trust document there is nothing to answer with, and the service says so. */
  readonly first: boolean;
};

const timeoutMs = limits.trySeconds * 1_000;
/** A service that is busy or wakes up says so and is asked again, as a device would. */
const attempts = 3;
const pauseMs = 1_000;
const answerBytes = 2 * limits.trustChainBytes;
const problemSchema = z.object({ code: z.literal("not-trusted-yet") });

/**
 * Asks `GET <base>/keys`, as a device would, and verifies that this service answers there: the key set is signed, so a mistyped host, another stage
 * or a page of somebody else's is found out before devices are sent to it.
 * @returns what is wrong, to be read behind the URL; undefined when it is this service
 */
export async function probeMessageUrl(base: string, expected: Expected): Promise<string | undefined> {
  let answer: Answer;
  try {
    answer = await getPatiently(`${base}/keys`);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "no answer";
    return `cannot be reached from here (${code})`;
  }
  const { status, type, body } = answer;
  try {
    const json = parseJson(body, "answer");
    const waits = type.startsWith(problemMediaType) && problemSchema.safeParse(json).success;
    if (expected.first && waits) return undefined;
    const catchUp = catchUpSchema.safeParse(json);
    if (status !== 200 || !catchUp.success) return `does not answer as Sealpost does (status ${status})`;
    await openKeySet(catchUp.data.keySet, expected);
    return undefined;
  } catch (error) {
    if (!isTokenError(error)) throw error;
    return error.code === "json"
      ? `does not answer as Sealpost does (status ${status})`
      : `is another service, or one whose key set is signed by another key (${error.code})`;
  }
}

type Answer = { readonly status: number; readonly type: string; readonly body: Uint8Array };

async function getPatiently(url: string): Promise<Answer> {
  let answer = await get(url);
  for (let attempt = 1; attempt < attempts && (answer.status === 429 || answer.status >= 500); attempt += 1) {
    await delay(pauseMs);
    answer = await get(url);
  }
  return answer;
}

/** One request without credentials, the whole of it bounded in time and size; follows no redirect. */
async function get(url: string): Promise<Answer> {
  const request = url.startsWith("https:") ? requestHttps : requestHttp;
  const signal = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { lookup, signal, headers: { accept: "application/json" } }, (incoming) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      incoming.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        chunks.push(chunk);
        if (bytes > answerBytes) incoming.destroy(Object.assign(new Error("too large"), { code: "too much" }));
      });
      incoming.on("error", reject);
      incoming.on("end", () =>
        resolve({
          status: incoming.statusCode ?? 0,
          type: incoming.headers["content-type"] ?? "",
          body: Buffer.concat(chunks),
        }),
      );
    });
    outgoing.on("error", (error) =>
      reject(signal.aborted ? Object.assign(error, { code: "no answer in time" }) : error),
    );
    outgoing.end();
  });
}
