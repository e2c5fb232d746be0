/** Why a command ended, and the exit code that says so; `--help` lists them. */
export const exitCodes = {
  fault: { code: 1, meaning: "a fault of this program or of the machine" },
  usage: { code: 2, meaning: "wrong usage: an option, an argument or a file" },
  "not-set-up": { code: 3, meaning: "something is not set up: no stack, it is not running, nothing published yet" },
  refused: { code: 4, meaning: "the service or AWS refused the request as it is" },
  "not-authorised": { code: 5, meaning: "no AWS credentials, or not the right ones" },
  unavailable: { code: 6, meaning: "the service or AWS cannot answer now: try again" },
  incomplete: { code: 7, meaning: "not all of it is done: not for every device, or not yet" },
} as const satisfies Record<string, { code: number; meaning: string }>;

export type OperatorFaultCode = keyof typeof exitCodes;

/** Something the operator can act on: what happened and why, and what to do next. It is printed without a stack. */
export class OperatorFault extends Error {
  readonly code: OperatorFaultCode;
  readonly next: string;

  /**
   * @param message what happened and why: whole sentences
   * @param next what to do now, beginning in lower case
   */
  constructor(code: OperatorFaultCode, message: string, next: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "OperatorFault";
    this.code = code;
    this.next = next;
  }
}

export function isOperatorFault(error: unknown): error is OperatorFault {
  return error instanceof Error && error.name === "OperatorFault" && "next" in error;
}
