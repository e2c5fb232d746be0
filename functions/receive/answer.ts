import { limits } from "@sealpost/protocol/limits.ts";
import { type Problem, type ProblemCode, problem } from "@sealpost/protocol/messages/problems.ts";
import { sealReply } from "@sealpost/protocol/messages/reply.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";

import type { PresentKeys } from "../custody/port.ts";
import type { DocumentVersions } from "../store/catch-up.ts";
import { explain } from "../fault/explain.ts";
import { faultCode } from "../fault/fault.ts";
import type { Fields } from "../fault/log.ts";
import { type ReplyTo, type VerifiedRequest, openRequest } from "./open.ts";
import type { MessagePorts } from "./ports.ts";
import { type Answer, refuse, render } from "./render.ts";
import { write } from "./write.ts";

/** What goes back over the wire, and what the log may say of it. */
export type Answered =
  | { readonly kind: "sealed"; readonly token: string; readonly log: Fields }
  | { readonly kind: "problem"; readonly body: Problem; readonly log: Fields };

/**
 * The way of one message: open, write, render, seal. Whatever fails before the sender is proven gets one uniform problem; the log has the reason.
 * @param now Unix seconds
 */
export async function answerMessage(ports: MessagePorts, token: string, now: number): Promise<Answered> {
  // The size of the token anyone can see; what is too large inside of it only who opened it.
  if (token.length > limits.tokenBytes)
    return toProblem("too-large", { outcome: "too-large", reason: "too-large", detail: "jwe" });
  try {
    const versions = ports.documentVersions();
    const keys = await ports.serverKeys.at(now);
    const request = await openRequest(ports, keys, token);
    const answer = await effectOf(ports, request, now).catch(askToRetry);
    const { message, replyTo } = request;
    const operation = message.kind === "claims" ? message.claims.operation : undefined;
    const log = { outcome: answer.status, deviceId: replyTo.deviceId, seq: replyTo.seq, operation };
    return { kind: "sealed", token: await seal(keys, replyTo, answer, await versions, now), log };
  } catch (error) {
    return await toAnswer(ports, error);
  }
}

/** @throws TokenError if the key under which the message is signed ended before it could take effect */
async function effectOf(ports: MessagePorts, request: VerifiedRequest, now: number): Promise<Answer> {
  const [effect] = await write(ports, [request], now);
  if (!effect) return refuse({ code: "throttled" });
  if ("error" in effect) throw effect.error;
  return render(ports.exchanges, request, effect);
}

/** A service that is busy can still say so under seal; the same message then finds its outcome or takes effect. */
function askToRetry(error: unknown): Answer {
  if (faultCode(error) !== "throttled") throw error;
  return refuse({ code: "throttled" });
}

async function seal(
  { replySigner }: PresentKeys,
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

/** What may be told of it, before or after the sender is proven. */
async function toAnswer(ports: MessagePorts, error: unknown): Promise<Answered> {
  if (!isTokenError(error)) {
    const { code, fields } = explain(error);
    return toProblem(code, fields);
  }
  const log = { outcome: "not-accepted", reason: error.code, detail: error.detail };
  if (error.code !== "retired-key") return toProblem("not-accepted", log);
  // Which keys are present anyone can read in the key set, so an absent one is no secret.
  return ports.readCatchUp().then(
    (catchUp) => toProblem("key-retired", { ...log, outcome: "key-retired" }, { ...catchUp }),
    (fault: unknown) => toAnswer(ports, fault),
  );
}

function toProblem(code: ProblemCode, log: Fields, more: { [member: string]: unknown } = {}): Answered {
  return { kind: "problem", body: problem(code, more), log };
}
