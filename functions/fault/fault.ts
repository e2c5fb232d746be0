/**
 * Our failure, not the caller's: what an exception means for the answer. `throttled` passes by itself, `unavailable` may,
 * `not-set-up` needs the operator.
 */
export type FaultCode = "throttled" | "unavailable" | "not-set-up";

export class Fault extends Error {
  readonly code: FaultCode;

  constructor(code: FaultCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "Fault";
    this.code = code;
  }
}

export function faultCode(error: unknown): FaultCode | undefined {
  if (!(error instanceof Error) || error.name !== "Fault" || !("code" in error)) return undefined;
  const { code } = error;
  return code === "throttled" || code === "unavailable" || code === "not-set-up" ? code : undefined;
}
