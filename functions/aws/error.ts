import * as z from "zod/mini";

import { isThrottle } from "../fault/aws-fault.ts";

/** A call of an AWS service that failed. Its message names no value; what the service wrote may hold what was being worked on. */
export class AwsError extends Error {
  /** The name that the service gave its error, or the code of what went wrong on the way. */
  override readonly name: string;
  /** Whether the same call may succeed if it is made again. */
  readonly isTransient: boolean;
  /** Why a transaction was cancelled, a code for each of its items; one that was in order has `None`. */
  readonly cancellationCodes: readonly string[];

  private constructor(
    name: string,
    isTransient: boolean,
    cancellationCodes: readonly string[],
    options?: ErrorOptions,
  ) {
    super(`AWS answered ${name}`, options);
    this.name = name;
    this.isTransient = isTransient;
    this.cancellationCodes = cancellationCodes;
  }

  /**
   * @param type header `x-amzn-errortype`
   * @param text body: JSON where the service itself answers
   */
  static ofAnswer(status: number, type: string, text: string): AwsError {
    const { __type, CancellationReasons } = answerSchema.safeParse(readJson(text)).data ?? {};
    const name = /(?:^|#)([A-Za-z]+)(?::|$)/.exec(__type ?? type)?.[1] ?? `Status${status}`;
    const codes = (CancellationReasons ?? []).map((reason) => reason?.Code ?? "None");
    return new AwsError(name, status >= 500 || status === 429 || isThrottle(name), codes);
  }

  /** @param cause why no answer came, or none that can be read; what a parser says of it may quote it */
  static ofTransport(cause: unknown): AwsError {
    if (cause instanceof SyntaxError) return new AwsError("UnreadableAnswer", true, []);
    const { code = "NoAnswer" } = cause as { readonly code?: string };
    return new AwsError(code, true, [], { cause });
  }
}

const answerSchema = z.object({
  __type: z.optional(z.string()),
  CancellationReasons: z.nullish(z.array(z.nullable(z.object({ Code: z.nullish(z.string()) })))),
});

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
