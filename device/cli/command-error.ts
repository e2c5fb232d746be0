import { type CommandErrorCode } from "./failures.ts";

/** A failure of the command line itself, before the SDK was asked. `message` says what and why; never holds what a file held. */
export class CommandError extends Error {
  readonly code: CommandErrorCode;

  constructor(code: CommandErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CommandError";
    this.code = code;
  }
}

export function isCommandError(error: unknown): error is CommandError {
  return error instanceof CommandError;
}
