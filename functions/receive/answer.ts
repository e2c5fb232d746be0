import { limits } from "@sealpost/protocol/limits.ts";
import { type Problem, type ProblemCode, problem } from "@sealpost/protocol/messages/problems.ts";
import { refusalBody } from "@sealpost/protocol/messages/refusals.ts";
import { sealReply } from "@sealpost/protocol/messages/reply.ts";
import { TokenError, isTokenError } from "@sealpost/protocol/token/token-error.ts";

import type { PresentKeys } from "../custody/port.ts";
import { nodeEngine } from "../engine/node-engine.ts";
import type { DocumentVersions } from "../store/catch-up.ts";
import { gatheredReads } from "../store/gathered-reads.ts";
import { explain } from "../fault/explain.ts";
import { Fault, faultCode } from "../fault/fault.ts";
import type { Fields } from "../fault/log.ts";
import { type Device, readDevice } from "../registry/device.ts";
import type { Effect } from "./fold.ts";
import { type ReplyTo, type UnsealedRequest, type VerifiedRequest, unsealRequest } from "./open.ts";
import type { MessagePorts, ReadCatchUp } from "./ports.ts";
import { type Answer, refuse, render } from "./render.ts";
import { forEach } from "./several.ts";
import { write } from "./write.ts";

/** What goes back over the wire, and what the log may say of it. */
export type Answered =
  | { readonly kind: "sealed"; readonly token: string; readonly log: Fields }
  | { readonly kind: "problem"; readonly body: Problem; readonly log: Fields };

/** Thrown for the size of the token alone, which anyone can see; what is too large inside of it only who opened it. */
const oversized = new TokenError("too-large", "jwe");
const busy = new Fault("unavailable", "no answer was made");

/**
 * The way of one message.
 * @param now Unix seconds
 */
export async function answerMessage(ports: MessagePorts, token: string, now: number): Promise<Answered> {
  const [answered] = await answerAll(ports, [token], now, () => false);
  return answered ?? toProblem(ports.readCatchUp, busy);
}

/**
 * The way of several messages, each as if it came alone and in their order: unseal each, fold those of one device into one write, render, seal each.
 * Whatever fails before the sender is proven gets one uniform problem; the log has the reason.
 * @param isLate whether it is too late to begin another step: what it would be for is answered as retryable
 * @returns one for each token, in their order
 */
export async function answerMessages(
  ports: MessagePorts,
  tokens: readonly string[],
  now: number,
  isLate: () => boolean,
): Promise<readonly Answered[]> {
  const { read } = gatheredReads(ports.store);
  let catchUp: ReturnType<ReadCatchUp> | undefined;
  const readCatchUp = () => (catchUp ??= ports.readCatchUp());
  const store = { read, write: ports.store.write.bind(ports.store) };
  return answerAll({ ...ports, store, readCatchUp }, tokens, now, isLate);
}

/** A message on its way: what the service could open, or why there is none. */
type Opened = { readonly unsealed: UnsealedRequest } | { readonly error: unknown };

async function answerAll(
  ports: MessagePorts,
  tokens: readonly string[],
  now: number,
  isLate: () => boolean,
): Promise<readonly Answered[]> {
  const versions = ports.documentVersions();
  let keys: Promise<PresentKeys> | undefined;
  const present = () => (keys ??= ports.serverKeys.at(now));
  const opened = await forEach(tokens, async (token): Promise<Opened> => {
    try {
      if (token.length > limits.tokenBytes) throw oversized;
      checkTime(isLate);
      return { unsealed: await unsealRequest(ports.serviceId, await present(), token) };
    } catch (error) {
      return { error };
    }
  });
  const effects = await takeEffect(ports, opened, now, isLate);
  return forEach(opened, async (message) => {
    try {
      const effect: Effect = "error" in message ? message : (effects.get(message.unsealed) ?? { error: busy });
      if (!effect.request) throw "error" in effect ? effect.error : busy;
      checkTime(isLate);
      const said = await toAnswer(ports, effect, effect.request);
      const { message: sent, replyTo } = effect.request;
      const operation = sent.kind === "claims" ? sent.claims.operation : undefined;
      const log = { outcome: said.status, deviceId: replyTo.deviceId, seq: replyTo.seq, operation };
      return { kind: "sealed", token: await seal(await present(), replyTo, said, await versions, now), log };
    } catch (error) {
      return toProblem(ports.readCatchUp, error);
    }
  });
}

/** The messages of each device in their order, and several devices at once, which share no write. */
async function takeEffect(
  ports: MessagePorts,
  opened: readonly Opened[],
  now: number,
  isLate: () => boolean,
): Promise<ReadonlyMap<UnsealedRequest, Effect>> {
  const requests = opened.flatMap((message) => ("error" in message ? [] : [message.unsealed]));
  const groups = [...Map.groupBy(requests, ({ deviceId }) => deviceId)];
  // Read at once, so that they are few calls; written as each is ready.
  const read = await Promise.allSettled(groups.map(([id]) => readDevice(ports.store, id, ports.generation)));
  const effects = new Map<UnsealedRequest, Effect>();
  await forEach([...groups.entries()], async ([n, [, ofDevice]]) => {
    const came = await effectsOf(ports, read[n], ofDevice, now, isLate);
    for (const [place, request] of ofDevice.entries()) effects.set(request, came[place] ?? { error: busy });
  });
  return effects;
}

async function effectsOf(
  ports: MessagePorts,
  read: PromiseSettledResult<Device | undefined> | undefined,
  requests: readonly UnsealedRequest[],
  now: number,
  isLate: () => boolean,
): Promise<readonly Effect[]> {
  if (read?.status !== "fulfilled") return requests.map(() => ({ error: read?.reason }));
  if (read.value) return write(ports, read.value, requests, now, isLate);
  const unknown = { error: new TokenError("issuer", "request iss") };
  return requests.map(() => unknown);
}

async function toAnswer({ exchanges }: MessagePorts, effect: Effect, { device }: VerifiedRequest): Promise<Answer> {
  if ("error" in effect) return askToRetry(effect.error, device);
  return render(exchanges, effect.request, effect).catch((error: unknown) => askToRetry(error, effect.device));
}

/** A service that is busy can still say so under seal; the same message then finds its outcome or takes effect. */
function askToRetry(error: unknown, device: Device): Answer {
  if (faultCode(error) !== "throttled") throw error;
  return refuse({ code: "throttled" }, device);
}

function checkTime(isLate: () => boolean): void {
  if (isLate()) throw new Fault("unavailable", "no time left");
}

async function seal(
  { replySigner }: PresentKeys,
  { key, request, mostBytes }: ReplyTo,
  answer: Answer,
  versions: DocumentVersions,
  now: number,
): Promise<string> {
  const bound = { iat: now, request, ...versions };
  const token = await sealReply({ ...bound, ...answer }, replySigner, key, nodeEngine);
  if (token.length <= mostBytes) return token;
  const code = "reply-too-large";
  return sealReply({ ...bound, ...answer, status: code, body: refusalBody({ code }) }, replySigner, key, nodeEngine);
}

/** What may be told of it, before or after the sender is proven. */
async function toProblem(readCatchUp: ReadCatchUp, error: unknown): Promise<Answered> {
  if (!isTokenError(error)) {
    const { code, fields } = explain(error);
    return problemOf(code, fields);
  }
  if (error === oversized)
    return problemOf("too-large", { outcome: "too-large", reason: error.code, detail: error.detail });
  const log = { outcome: "not-accepted", reason: error.code, detail: error.detail };
  if (error.code !== "retired-key") return problemOf("not-accepted", log);
  // Which keys are present anyone can read in the key set, so an absent one is no secret.
  return readCatchUp().then(
    (catchUp) => problemOf("key-retired", { ...log, outcome: "key-retired" }, { ...catchUp }),
    (fault: unknown) => toProblem(readCatchUp, fault),
  );
}

function problemOf(code: ProblemCode, log: Fields, more: { [member: string]: unknown } = {}): Answered {
  return { kind: "problem", body: problem(code, more), log };
}
