import type { Exchange } from "@sealpost/protocol/exchanges/define-exchange.ts";
import { deregistration } from "@sealpost/protocol/exchanges/deregistration.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import { memberOf } from "@sealpost/protocol/token/jws.ts";
import { parseJson } from "@sealpost/protocol/token/strict.ts";
import type * as z from "zod/mini";

import type { Patience } from "./patience.ts";
import { WaitingLine } from "./waiting-line.ts";
import { DeviceError } from "../device-error.ts";
import type { OutboxPorts } from "./outbox-ports.ts";
import type { Outcome } from "./outcome.ts";
import { allocate, newJti } from "./queue.ts";
import { Sending } from "./sending.ts";
import type { Enrolled, Pending } from "../state/state.ts";

/** An exchange by what is sent. */
type Sendable<Body> = Pick<Exchange, "operation"> & { readonly request: z.ZodMiniType<Body> };

/**
 * Delivers messages exactly once, in order, through crashes: each is durable before it is first sent and stays so until an authentic, final
 * answer to it is. One verb sends at a time, the oldest message until it is resolved, so what a later message relies on has happened before it.
 */
export class Outbox {
  readonly #ports: OutboxPorts;
  readonly #outcomes = new Map<number, Outcome>();
  readonly #line = new WaitingLine();
  /** How far the oldest message is: the next verb goes on at the next address, and a late reply to an earlier copy still counts. */
  #sending: Sending | undefined;

  constructor(ports: OutboxPorts) {
    this.#ports = ports;
  }

  /**
   * Queues a message, durably. What the service would not parse is never given a seq: it would be refused for ever.
   * @param also a further change of the state in the same write
   * @returns its seq
   * @throws DeviceError `argument-invalid` · `queue-full` · `leaving` · `revoked` · `gone`
   */
  async enqueue<Body extends Pending["body"]>(
    exchange: Sendable<Body>,
    body: Body,
    also: (state: Enrolled) => Enrolled = (state) => state,
  ): Promise<number> {
    const { operation } = exchange;
    const message = {
      jti: newJti(),
      operation,
      body: { ...checkBody(exchange, body) },
    };
    let taken = 0;
    await this.#ports.cell.change((state) => {
      checkOpen(state, operation);
      const allocation = allocate(state.queue, message);
      if (!allocation) throw new DeviceError("queue-full", `${state.queue.pending.length} are waiting`);
      taken = allocation.seq;
      return { ...also(state), queue: allocation.queue };
    });
    return taken;
  }

  /**
   * Sends until the given message is resolved, and with it everything before it.
   * @throws DeviceError `no-answer` when patience ends; `aborted`; the message stays queued
   */
  async deliver(seq: number, patience: Patience): Promise<Outcome> {
    return this.#line.take(patience, async () => {
      let awaited = seq;
      for (;;) {
        const outcome = this.#outcomes.get(awaited) ?? this.#parked(awaited);
        if (outcome && outcome.kind !== "again") return outcome;
        if (outcome) awaited = outcome.seq;
        else if (!(await this.#sendOldest(patience)))
          throw new DeviceError("fate-unknown", "it is not in the queue any more");
      }
    });
  }

  /** Sends until nothing is pending. */
  async flush(patience: Patience): Promise<void> {
    await this.#line.take(patience, async () => {
      while (await this.#sendOldest(patience));
    });
  }

  /** @returns whether there was one */
  async #sendOldest(patience: Patience): Promise<boolean> {
    const { state } = this.#ports.cell;
    const oldest = state?.phase === "enrolled" ? state.queue.pending[0] : undefined;
    if (!oldest) return false;
    if (this.#sending?.seq !== oldest.seq) this.#sending = new Sending(oldest, this.#ports);
    this.#remember(oldest.seq, await this.#send(this.#sending, patience));
    patience.renew();
    return true;
  }

  async #send(sending: Sending, patience: Patience): Promise<Outcome> {
    for (;;) {
      const attempt = await sending.attempt(patience);
      if (attempt.kind === "outcome") return attempt.outcome;
      if (attempt.kind === "next") await patience.pauseBriefly(attempt);
      if (attempt.kind === "later") await patience.pause(attempt);
    }
  }

  /** For whoever waits for it, each of those who wait for the same one; nobody waits for more than a window of messages. */
  #remember(seq: number, outcome: Outcome): void {
    this.#outcomes.set(seq, outcome);
    const [oldest] = this.#outcomes.keys();
    if (this.#outcomes.size > limits.window && oldest !== undefined) this.#outcomes.delete(oldest);
  }

  #parked(seq: number): Outcome | undefined {
    const { state } = this.#ports.cell;
    const parked = state?.phase === "enrolled" ? state.queue.unknown.find((message) => message.seq === seq) : undefined;
    return parked && { kind: "unknown", why: parked.why };
  }
}

/** @throws DeviceError `argument-invalid` */
export function checkBody<Body>({ request }: Sendable<Body>, body: Body): Body {
  const parsed = request.safeParse(body);
  if (!parsed.success) throw new DeviceError("argument-invalid", `${memberOf(parsed.error)} is missing or not allowed`);
  if (!isSendable(parsed.data))
    throw new DeviceError("argument-invalid", "it holds what the protocol's JSON cannot say");
  return parsed.data;
}

/**
 * Whether the service's parser takes it in its place: one that does not answers nothing that could be believed, and the message would stay the
 * oldest for ever.
 */
function isSendable(body: unknown): boolean {
  try {
    parseJson(new TextEncoder().encode(JSON.stringify({ body })), "body");
    return true;
  } catch {
    return false;
  }
}

/** Nothing follows a de-registration (rule 13), and an ended device says nothing but that. */
function checkOpen({ ended, queue }: Enrolled, operation: string): void {
  if (queue.pending.some((message) => message.operation === deregistration.operation)) {
    throw new DeviceError("leaving", "");
  }
  if (operation === deregistration.operation && queue.pending.length > 0) {
    throw new DeviceError("queue-full", "de-registration goes last and alone");
  }
  if (ended === "revoked") throw new DeviceError("revoked", "");
  if (ended === "gone" && operation !== deregistration.operation) throw new DeviceError("gone", "");
}
