/** What a handler is told besides the arguments. */
export type CommandContext = {
  readonly name: string;
  /** As whoever gave the command chose it. */
  readonly commandId: string;
  /** The command's place among all of this device; never used twice. */
  readonly n: number;
  /** Aborts when the verb is to end. A handler that does not look at it is waited for. */
  readonly signal: AbortSignal;
};

/** What a handler answers when it did nothing and wants to be asked again. */
export const commandLater: unique symbol = Symbol("sealpost.command-later");

/** What a handler throws to say itself what the result of a failed command holds. */
export class CommandFailure extends Error {
  /** Anything that JSON can say, in 4 KiB. */
  readonly output: unknown;

  constructor(message: string, output: unknown) {
    super(message);
    this.name = "CommandFailure";
    this.output = output;
  }
}

/**
 * Does what a command says.
 * @returns the output: anything that JSON can say, in 4 KiB; nothing is allowed. `commandLater` leaves the command in hand
 * @throws anything: the command has failed, and the first 200 characters of the message are its reason
 */
export type CommandHandler = (
  args: { readonly [name: string]: unknown },
  context: CommandContext,
) => Promise<unknown> | unknown;

/** A handler for each name, or whoever knows one. A name without a handler is answered `rejected`. */
export type CommandHandlers =
  | { readonly [name: string]: CommandHandler }
  | ((name: string) => CommandHandler | undefined | Promise<CommandHandler | undefined>);

/** What became of a command, as the service is told. */
export type HandledCommand = {
  readonly n: number;
  readonly commandId: string;
  readonly name: string;
  readonly status: "done" | "failed" | "rejected" | "interrupted" | "expired";
};
