import { type Operation, isOperation } from "@sealpost/protocol/exchanges/exchanges.ts";
import type { Reply } from "@sealpost/protocol/messages/reply.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";

import { alignKeys } from "../keys/align-keys.ts";
import { type BoundedTransport, boundedTransport, toSetback } from "./bounded-transport.ts";
import { DeviceError, type Setback, isDeviceError } from "../device-error.ts";
import type { Patience } from "./patience.ts";
import type { Outcome } from "./outcome.ts";
import type { OutboxPorts } from "./outbox-ports.ts";
import type { DeviceKeys, HttpAnswer } from "../ports.ts";
import { newJti, park, queueAgain, resolve, skipTo } from "./queue.ts";
import { type SealedCopy, openAnswer, sealCopy } from "./sealing.ts";
import { tryOrder } from "../trust/addresses.ts";
import { parseCatchUp } from "../trust/service-keys.ts";
import type { Effect, OnRefusal } from "./settle-row.ts";
import type { Enrolled, Pending, Queue } from "../state/state.ts";

/** What one sending came to: an outcome is final and durable; the rest is tried again, at once or after a pause. */
export type Attempt =
  | { readonly kind: "outcome"; readonly outcome: Outcome }
  | { readonly kind: "again" }
  /** There is another address to try. */
  | ({ readonly kind: "next" } & Setback)
  | ({ readonly kind: "later" } & Setback);

/** How many sealed copies of one message a late reply may still answer. */
const rememberedCopies = 8;

/** How many addresses an error says something about. */
const namedReasons = 3;

type OkReply = Extract<Reply, { status: "ok" }>;
type RefusedReply = Exclude<Reply, OkReply>;

/**
 * One message, from its first sealed copy to its outcome. Only an authentic reply to one of the copies moves it; whatever else comes back
 * means no more than "later".
 */
export class Sending {
  readonly #message: Pending;
  readonly #ports: OutboxPorts;
  #copies: readonly SealedCopy[] = [];
  /** The bases of this round that are still to be tried. */
  #rest: readonly string[] = [];
  #rounds = 0;
  /** The last authentic reply, until what it says of newer documents is followed. */
  #heard: { readonly reply: Reply; readonly base: string } | undefined;
  /** What came of the tries of this round. */
  #setbacks: readonly Setback[] = [];
  #timeOfRefusal: number | undefined;

  get seq(): number {
    return this.#message.seq;
  }

  constructor(message: Pending, ports: OutboxPorts) {
    this.#message = message;
    this.#ports = ports;
  }

  async attempt(patience: Patience): Promise<Attempt> {
    const { cell, serviceKeys, settings } = this.#ports;
    if (this.#rest.length === 0) {
      this.#rest = tryOrder(cell.enrolled, settings.via);
      this.#rounds += 1;
      this.#setbacks = [];
    }
    const [base = "", ...rest] = this.#rest;
    const transport = boundedTransport(this.#ports.messages, patience, 1 + rest.length);
    this.#rest = rest;
    const tried = await this.#try(base, transport);
    await this.#catchUp(patience);
    if ("kind" in tried) return tried;
    this.#setbacks = [...this.#setbacks, tried];
    if (this.#rest.length > 0) return { kind: "next", ...together(this.#setbacks) };
    // No try of this round was answered: perhaps nobody who holds the present keys, or knows the present addresses, can.
    const everyBase = tryOrder(cell.enrolled, settings.via);
    const { read } = boundedTransport(this.#ports.messages, patience, everyBase.length);
    if (await serviceKeys.fetchFrom(everyBase, read)) return { kind: "again" };
    return { kind: "later", ...together(this.#setbacks) };
  }

  /** What became of the message is certain by then, so nothing that goes wrong here changes it. */
  async #catchUp(patience: Patience): Promise<void> {
    const { cell, serviceKeys, settings, messages } = this.#ports;
    const heard = this.#heard;
    this.#heard = undefined;
    if (!heard || cell.state?.phase !== "enrolled") return;
    const bases = [...new Set([heard.base, ...tryOrder(cell.state, settings.via)])];
    const { read } = boundedTransport(messages, patience, bases.length);
    try {
      await serviceKeys.catchUp(heard.reply, bases, read);
    } catch (error) {
      if (!isDeviceError(error)) throw error;
    }
  }

  async #try(base: string, transport: BoundedTransport): Promise<Attempt | Setback> {
    const { serviceKeys } = this.#ports;
    const token = await this.#seal(base, transport, this.#rounds % 2 === 0);
    if (token === null) return { why: "the service lists no key to seal to" };
    let answer: HttpAnswer;
    try {
      answer = await transport.post(`${base}/messages`, token);
    } catch (error) {
      return toSetback(error);
    }
    const open = () => openAnswer(decode(answer), this.#copies, serviceKeys.keySet);
    let opened = await open();
    if (!opened.reply && opened.unknownSigner && (await serviceKeys.fetch(base, transport.read))) opened = await open();
    if (opened.reply) return this.#conclude(opened.reply, base, transport);
    // The one unauthenticated answer that is looked into: what `key-retired` carries is signed by those whom the device trusts already.
    const catchUp = parseCatchUp(answer.body);
    if (catchUp && (await serviceKeys.adopt(catchUp))) return this.#again(base);
    if (catchUp && (await serviceKeys.isForeign(catchUp))) {
      const why = `${base} answers as another service: its documents are not signed by the root that this device trusts`;
      return { why, circumstance: "other-service-answers" };
    }
    return { why: `the answer of ${base} (HTTP ${answer.status}) could not be verified` };
  }

  async #seal(base: string, { read }: BoundedTransport, asCandidate: boolean): Promise<string | null> {
    const { cell, serviceKeys, settings } = this.#ports;
    const { clock } = serviceKeys;
    const stale = clock.now() >= serviceKeys.keySet.exp || !serviceKeys.keySet.serverKey(clock.now());
    if (stale) await serviceKeys.fetch(base, read);
    const serverKey = serviceKeys.keySet.serverKey(clock.now());
    if (!serverKey) return null;
    const iat = this.#timeOfRefusal ?? clock.now();
    const exp = iat + settings.lifetimeSeconds;
    const { replyKey, replyBytes } = settings;
    const keys = await this.#keys(asCandidate);
    const sealed = await sealCopy(this.#message, cell.enrolled, { keys, serverKey, replyKey, replyBytes, iat, exp });
    this.#copies = [sealed.copy, ...this.#copies].slice(0, rememberedCopies);
    return sealed.token;
  }

  /**
   * While there is a candidate, every second round of the addresses is signed by it: the service may have applied the renewal and ended the
   * old key although its reply never arrived (rule 10).
   */
  async #keys(asCandidate: boolean): Promise<DeviceKeys> {
    const { keys } = this.#ports;
    const candidate = asCandidate ? await keys.load("next") : null;
    const chosen = candidate ?? (await keys.load("current"));
    if (!chosen) throw new DeviceError("keys-missing", "the key store has no current keys");
    return chosen;
  }

  async #conclude(reply: Reply, base: string, transport: BoundedTransport): Promise<Attempt> {
    this.#ports.serviceKeys.clock.correct(reply.time);
    this.#heard = { reply, base };
    if (reply.status === "ok") return { kind: "outcome", outcome: await this.#accept(reply, base, transport) };
    if (!reply.body.retry) return { kind: "outcome", outcome: await this.#refused(reply) };
    if (reply.status === "clock" && this.#timeOfRefusal === undefined) {
      this.#timeOfRefusal = reply.body.time ?? reply.time;
      return this.#again(base);
    }
    this.#timeOfRefusal = undefined;
    this.#rest = [];
    return { kind: "later", why: reply.body.detail };
  }

  /** Who answered is asked again at once. */
  #again(base: string): Attempt {
    this.#rest = [base, ...this.#rest];
    return { kind: "again" };
  }

  /** What a reply brings may rest on a newer trust document than ours, so that is fetched before the reply is called unusable. */
  async #accept(reply: OkReply, base: string, { read }: BoundedTransport): Promise<Outcome> {
    let effect = await this.#settle(reply);
    if (isDeviceError(effect)) {
      const { cell, serviceKeys, settings } = this.#ports;
      const bases = [...new Set([base, ...tryOrder(cell.enrolled, settings.via)])];
      if (await serviceKeys.fetchFrom(bases, read)) effect = await this.#settle(reply);
    }
    if (isDeviceError(effect)) {
      await this.#resolve(reply, asItIs, resolve);
      return { kind: "unusable", error: effect };
    }
    await this.#resolve(reply, effect, resolve);
    await alignKeys(this.#ports.cell.state, this.#ports.keys);
    return { kind: "done" };
  }

  async #settle({ body }: OkReply): Promise<Effect | DeviceError> {
    const { cell, keys, serviceKeys } = this.#ports;
    try {
      const { operation, body: request } = this.#message;
      // Queued by a later version of this software, which went back to this one: it is delivered, and its reply means nothing here.
      if (!isOperation(operation)) return (state) => state;
      const context = { state: cell.enrolled, keys, now: serviceKeys.clock.now() };
      return await this.#row(operation).settle(body, request, context);
    } catch (error) {
      if (isDeviceError(error)) return error;
      if (!isTokenError(error)) throw error;
      return new DeviceError("reply-invalid", `${error.detail} (${error.code})`, { cause: error });
    }
  }

  async #refused(reply: RefusedReply): Promise<Outcome> {
    const { status, body } = reply;
    const highest = body.highest ?? 0;
    if (status === "revoked" || status === "gone") {
      await this.#resolve(
        reply,
        (state): Enrolled => ({ ...state, ended: status }),
        (queue) => parkAll(queue, status),
      );
      return { kind: "unknown", why: status };
    }
    const change = this.#onRefusal(status);
    if (change === "again") return this.#sendAgain(reply, highest);
    const effect = change ?? asItIs;
    switch (status) {
      case "conflict":
        await this.#resolve(reply, effect, (queue, seq) => skipTo(resolve(queue, seq), highest));
        return { kind: "not-delivered" };
      case "below-window":
        await this.#resolve(reply, effect, (queue, seq) => skipTo(park(queue, seq, status), highest));
        return { kind: "unknown", why: status };
      default:
        await this.#resolve(reply, effect, resolve);
        return { kind: "refused", code: status, detail: body.detail, field: body.field };
    }
  }

  #onRefusal(code: string): OnRefusal {
    const { operation, body } = this.#message;
    return isOperation(operation) ? this.#row(operation).refused(code, body) : undefined;
  }

  #row(operation: Operation): OutboxPorts["settleRows"][Operation] {
    return this.#ports.settleRows[operation];
  }

  async #sendAgain(reply: RefusedReply, highest: number): Promise<Outcome> {
    let seq = 0;
    await this.#resolve(reply, asItIs, (queue, own) => {
      const after = queueAgain(skipTo(queue, highest), own, newJti());
      seq = after.next - 1;
      return after;
    });
    return { kind: "again", seq };
  }

  /** The effect of the answer, what it says besides, and the end of the message, in one durable write. */
  async #resolve(reply: Reply, effect: Effect, queue: (queue: Queue, seq: number) => Queue): Promise<void> {
    const { cell, serviceKeys, boot } = this.#ports;
    const { clock } = serviceKeys;
    const time = clock.now();
    await cell.change((before) => {
      const after = effect(before);
      if (after.phase !== "enrolled") return after;
      return {
        ...after,
        time,
        bootTime: clock.isTold ? { bootId: boot.id, uptime: boot.seconds(), time } : after.bootTime,
        queue: queue(after.queue, this.#message.seq),
        commands: { ...after.commands, waiting: reply.waiting },
      };
    });
  }
}

const asItIs: Effect = (state) => state;

/** The setbacks of a round as one: the first says most, since the user's own relay comes first. */
function together(setbacks: readonly Setback[]): Setback {
  const [first] = setbacks;
  const reasons = [...new Set(setbacks.map(({ why }) => why))];
  const more = reasons.length > namedReasons ? `; and ${reasons.length - namedReasons} more` : "";
  return {
    why: `${reasons.slice(0, namedReasons).join("; ")}${more}`,
    circumstance: setbacks.find(({ circumstance }) => circumstance)?.circumstance,
    cause: first?.cause,
  };
}

/** A final no to the device: whatever was pending may or may not have happened (rule 8). */
function parkAll(queue: Queue, why: "revoked" | "gone"): Queue {
  return queue.pending.reduce((rest, { seq }) => park(rest, seq, why), queue);
}

function decode({ body }: HttpAnswer): string {
  return new TextDecoder().decode(body).trim();
}
