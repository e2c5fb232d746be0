import { memberOf } from "@sealpost/protocol/token/jws.ts";
import { TokenError } from "@sealpost/protocol/token/token-error.ts";
import type * as z from "zod/mini";

import type { KeyStore } from "../ports.ts";
import type { DeviceState, Enrolled, Pending } from "../state/state.ts";

/** What a reply is judged by. */
export type SettleContext = {
  readonly state: Enrolled;
  readonly keys: Pick<KeyStore, "load">;
  /** Unix seconds, as the device estimates them. */
  readonly now: number;
};

/** What a reply means for the state; applied in the same write that resolves the message, so both happen or neither. */
export type Effect = (state: Enrolled) => DeviceState;

/**
 * What the successful reply of one exchange changes here.
 * @throws TokenError when an authentic reply does not verify or parse here; DeviceError with what it is then called
 */
export type SettleRow = (body: unknown, message: Pending, context: SettleContext) => Promise<Effect>;

export type SettleRows = { readonly [operation: string]: SettleRow };

/** Ties a row to its exchange: the row sees the parsed reply, and the request as it was sent. */
export function settleRow<Request, Answer>(
  exchange: { readonly request: z.ZodMiniType<Request>; readonly reply: z.ZodMiniType<Answer> },
  settle: (reply: Answer, request: Request, context: SettleContext) => Promise<Effect>,
): SettleRow {
  return async (body, message, context) =>
    settle(read(exchange.reply, body), read(exchange.request, message.body), context);
}

function read<T>(schema: z.ZodMiniType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (!parsed.success) throw new TokenError("claims", memberOf(parsed.error));
  return parsed.data;
}
