import { type Problem, type ProblemCode, problem } from "@sealpost/protocol/messages/problems.ts";
import { sealReply } from "@sealpost/protocol/messages/reply.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";

import type { DocumentVersions } from "../store/catch-up.ts";
import { type FaultCode, faultCode } from "../lambda/fault.ts";
import { type ReplyTo, type VerifiedRequest, openRequest } from "./open.ts";
import type { MessagePorts } from "./ports.ts";
import { type Answer, refuse, render } from "./render.ts";
import { write } from "./write.ts";

/** What goes back over the wire, and what the log may say of it. */
export type Answered =
  | { readonly kind: "sealed"; readonly token: string; readonly log: Log }
  | { readonly kind: "problem"; readonly body: Problem; readonly log: Log };
export type Log = { readonly [field: string]: string | number | boolean | undefined };

/**
 * The way of one message: open, write, render, seal. Whatever fails before the sender is proven gets one uniform problem; the log has the reason.
 * @param now Unix seconds
 */
export async function answerMessage(ports: MessagePorts, token: string, now: number): Promise<Answered> {
  try {
    const versions = ports.documentVersions();
    const request = await openRequest(ports, token);
    const answer = await effect(ports, request, now).catch(askToRetry);
    const { message, replyTo } = request;
    const operation = message.kind === "claims" ? message.claims.operation : undefined;
    const log = { outcome: answer.status, deviceId: replyTo.deviceId, seq: replyTo.seq, operation };
    return { kind: "sealed", token: await seal(ports, replyTo, answer, await versions, now), log };
  } catch (error) {
    return await explain(ports, error);
  }
}

async function effect(ports: MessagePorts, request: VerifiedRequest, now: number): Promise<Answer> {
  const step = await write(ports, request, now);
  return step ? render(ports.exchanges, request, step) : refuse({ code: "throttled" });
}

/** A service that is busy can still say so under seal; the same message then finds its outcome or takes effect. */
function askToRetry(error: unknown): Answer {
  if (faultCode(error) !== "throttled") throw error;
  return refuse({ code: "throttled" });
}

async function seal(
  { replySigner }: MessagePorts,
  { key, request, replyKey, mostBytes }: ReplyTo,
  answer: Answer,
  versions: DocumentVersions,
  now: number,
): Promise<string> {
  const bound = { iat: now, request, replyKey, ...versions };
  const token = await sealReply({ ...bound, ...answer }, replySigner, key);
  if (token.length <= mostBytes) return token;
  return sealReply({ ...bound, ...refuse({ code: "reply-too-large" }) }, replySigner, key);
}

const faultProblems = {
  throttled: "throttled",
  unavailable: "unavailable",
  "not-set-up": "unavailable",
} as const satisfies Record<FaultCode, ProblemCode>;

async function explain(ports: MessagePorts, error: unknown): Promise<Answered> {
  if (isTokenError(error)) {
    const log = { outcome: "not-accepted", reason: error.code, detail: error.detail };
    // Which keys are present anyone can read in the key set, so an absent one is no secret.
    if (error.code === "unknown-key" && error.detail === "request serverKey") {
      return ports.readCatchUp().then(
        (catchUp) => toProblem("key-retired", { ...log, outcome: "key-retired" }, { ...catchUp }),
        (fault: unknown) => explain(ports, fault),
      );
    }
    // The size of the token anyone can see; what is too large inside of it only who opened it.
    return toProblem(error.code === "too-large" && error.detail === "jwe" ? "too-large" : "not-accepted", log);
  }
  const fault = faultCode(error);
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : "unknown";
  return toProblem(fault ? faultProblems[fault] : "unavailable", { outcome: "fault", fault, reason });
}

function toProblem(code: ProblemCode, log: Log, more: { [member: string]: unknown } = {}): Answered {
  return { kind: "problem", body: problem(code, more), log };
}
