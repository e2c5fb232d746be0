import { memberOf } from "@sealpost/protocol/token/jws.ts";
import type { Operation } from "@sealpost/protocol/exchanges/exchanges.ts";
import type { ReadingsBody } from "@sealpost/protocol/exchanges/readings.ts";
import type { StoredRefusal } from "@sealpost/protocol/messages/refusals.ts";
import type * as z from "zod/mini";

import type { CommandChange } from "../registry/command-items.ts";
import type { Device } from "../registry/device.ts";
import type { Result } from "../registry/window.ts";
import type { DeviceEvent } from "../registry/events.ts";
import type { LivingStatus } from "../registry/status.ts";
import { type DeviceKeys, parseRecord } from "../store/records.ts";

/** The circumstances of one message. */
export type Circumstances = {
  readonly device: Device;
  /** The keys under which the message was signed. */
  readonly keys: DeviceKeys;
  readonly seq: number;
  /** Unix seconds. */
  readonly now: number;
};

/** What a message changes beyond the device's window. */
export type Effect<R extends Result = Result> = {
  /** Stored as the outcome; the reply's body is made from it. */
  readonly result: R;
  readonly device?: Partial<Pick<Device, "identity" | "status">>;
  /** A change of the device's life, recorded in the same write. */
  readonly event?: DeviceEvent;
  /** What became of the device's commands, recorded in the same write. */
  readonly commands?: CommandChange;
  /** What the device measured: rides in the write of its window. */
  readonly readings?: ReadingsBody;
};

export type Decision<R extends Result = Result> = { readonly effect: Effect<R> } | { readonly refusal: StoredRefusal };

/** Whether an exchange runs, by the status of its device: a new status needs an answer in every exchange. */
export type RunsIn = { readonly [S in LivingStatus]: boolean };

/** One exchange as the service runs it, its types behind it. */
export type ServedExchange<O extends Operation = Operation> = {
  readonly operation: O;
  readonly runsIn: RunsIn;
  readonly acts: number;
  decide(body: unknown, circumstances: Circumstances): Promise<Decision>;
  /** The reply's body, from the stored result: the same for the first answer and for every repeat. */
  reply(result: Result, device: Device): Promise<object>;
};

/** A row for each exchange of the protocol: one that is forgotten does not compile. */
export type ServedExchanges = { readonly [O in Operation]: ServedExchange<O> };

export type Gathered<Facts> = { readonly facts: Facts } | { readonly refusal: StoredRefusal };

/**
 * Ties an exchange's definition to what the service does: the request is parsed once, `gather` fetches what the decision needs from outside,
 * `decide` is pure, and `reply` answers in the defined shape.
 */
export function serve<O extends Operation, Request, Reply extends object, R extends Result, Facts = undefined>(
  exchange: { readonly operation: O; readonly request: z.ZodMiniType<Request>; readonly reply: z.ZodMiniType<Reply> },
  row: {
    readonly runsIn: RunsIn;
    /** What an event of this exchange costs of the device's budget; 0: it has none, or ends the device. */
    readonly acts: number;
    /** Shape of what is stored of a successful message. */
    readonly result: z.ZodMiniType<R>;
    gather?(body: Request, circumstances: Circumstances): Promise<Gathered<Facts>>;
    decide(body: Request, circumstances: Circumstances, facts: Facts): Decision<R>;
    /** `undefined`: what was answered then is no longer known, and the device, which broke a rule, gets no content. */
    reply(result: R, device: Device): Reply | undefined | Promise<Reply | undefined>;
  },
): ServedExchange<O> {
  return {
    operation: exchange.operation,
    runsIn: row.runsIn,
    acts: row.acts,
    async decide(raw, circumstances) {
      const body = exchange.request.safeParse(raw);
      if (!body.success) return { refusal: { code: "malformed", field: `body.${memberOf(body.error)}` } };
      const gathered = await row.gather?.(body.data, circumstances);
      if (gathered && "refusal" in gathered) return gathered;
      // A row without `gather` leaves Facts at its default, undefined.
      return row.decide(body.data, circumstances, gathered?.facts as Facts);
    },
    async reply(result, device) {
      return { ...(await row.reply(parseRecord(row.result, result), device)) };
    },
  };
}
