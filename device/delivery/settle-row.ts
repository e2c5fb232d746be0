import type { Exchange } from "@sealpost/protocol/exchanges/define-exchange.ts";
import type { ExchangeOf, Operation } from "@sealpost/protocol/exchanges/exchanges.ts";
import { memberOf } from "@sealpost/protocol/token/jws.ts";
import { TokenError } from "@sealpost/protocol/token/token-error.ts";
import type * as z from "zod/mini";

import type { KeyStore } from "../ports.ts";
import type { DeviceState, Enrolled } from "../state/state.ts";

/** What a reply is judged by. */
export type SettleContext = {
  readonly state: Enrolled;
  readonly keys: Pick<KeyStore, "load">;
  /** Unix seconds, as the device estimates them. */
  readonly now: number;
};

/** What a reply means for the state; applied in the same write that resolves the message, so both happen or neither. */
export type Effect = (state: Enrolled) => DeviceState;

/** What the successful reply of one exchange changes here. */
export type SettleRow<E extends Exchange> = {
  readonly exchange: E;
  /**
   * @param reply the body of the reply, as it came
   * @param request the body of the message that it answers, as it was queued
   * @throws TokenError when an authentic reply does not verify or parse here; DeviceError with what it is then called
   */
  settle(reply: unknown, request: unknown, context: SettleContext): Promise<Effect>;
  readonly refused: Refused<unknown>;
};

/** What a final no to one exchange changes here. */
export type OnRefusal =
  | Effect
  /** The same body is queued as a new message, in the write that resolves this one. */
  | "again"
  | undefined;

/** @param code a refusal of the protocol, or one that this version does not know */
export type Refused<Request> = (code: string, request: Request) => OnRefusal;

/** A row for each exchange of the protocol: one that is missing, or stands under another's name, does not compile. */
export type SettleRows = { readonly [O in Operation]: SettleRow<ExchangeOf<O>> };

/** Ties a row to its exchange, so that it works on parsed bodies of the right shape. */
export function settleRow<E extends Exchange, Request, Reply>(
  exchange: E & { readonly request: z.ZodMiniType<Request>; readonly reply: z.ZodMiniType<Reply> },
  settle: (reply: Reply, request: Request, context: SettleContext) => Promise<Effect>,
  refused: Refused<Request> = () => undefined,
): SettleRow<E> {
  return {
    exchange,
    refused: (code, request) => {
      // Perhaps queued by a later version of this software.
      const parsed = exchange.request.safeParse(request);
      return parsed.success ? refused(code, parsed.data) : undefined;
    },
    settle: async (reply, request, context) =>
      settle(read(exchange.reply, reply), read(exchange.request, request), context),
  };
}

function read<T>(schema: z.ZodMiniType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw new TokenError("claims", memberOf(parsed.error));
  return parsed.data;
}
