import {
  type Command,
  type CommandsResultBody,
  commandsNext,
  commandsResult,
} from "@sealpost/protocol/exchanges/commands.ts";
import { limits } from "@sealpost/protocol/limits.ts";

import type { Outbox } from "../delivery/outbox.ts";
import type { OutboxPorts } from "../delivery/outbox-ports.ts";
import { type Outcome, requireDone } from "../delivery/outcome.ts";
import type { Patience } from "../delivery/patience.ts";
import { WaitingLine } from "../delivery/waiting-line.ts";
import { DeviceError, isDeviceError } from "../device-error.ts";
import type { Enrolled } from "../state/state.ts";
import {
  CommandFailure,
  type CommandHandler,
  type CommandHandlers,
  type HandledCommand,
  commandLater,
} from "./command-handler.ts";
import { judge } from "./judge.ts";
import { doneWith, failedWith, reasonOf } from "./output.ts";

/** How often a reply whose content was freed is followed by one more question. */
const mostAsked = 3;

/**
 * Commands, one at a time: asked for, decided about once, done, and settled. The marker, which no backup rolls back, is durable before anything is
 * started or refused, so wherever the power fails a command that is not repeatable runs at most once, and the service learns what is known of it.
 */
export class CommandRunner {
  readonly #ports: Pick<OutboxPorts, "cell" | "keys" | "serviceKeys">;
  readonly #outbox: Outbox;
  readonly #line = new WaitingLine();

  constructor(ports: Pick<OutboxPorts, "cell" | "keys" | "serviceKeys">, outbox: Outbox) {
    this.#ports = ports;
    this.#outbox = outbox;
  }

  /**
   * Does what is in hand, and asks for more until there is none.
   * @param input.ask also where no reply said that something waits
   * @param input.signal for the handlers
   * @param input.onSettled told of each once its result is durable, whatever comes after it
   * @throws DeviceError also where the service did not take a result, once the others are delivered
   */
  async run(
    patience: Patience,
    input: {
      readonly handlers: CommandHandlers;
      readonly ask: boolean;
      readonly signal: AbortSignal;
      readonly onSettled: (handled: HandledCommand) => void;
    },
  ): Promise<readonly HandledCommand[]> {
    return this.#line.take(patience, async () => {
      const handled: HandledCommand[] = [];
      const results = this.#pending(commandsResult.operation);
      let { ask } = input;
      for (let freedAgain = 0; freedAgain <= mostAsked;) {
        const { hand, waiting, freed } = this.#present.commands;
        if (hand) {
          const done = await this.#act(hand, patience, input);
          if (!done) break;
          const { seq, ...settled } = done;
          results.push(seq);
          handled.push(settled);
          input.onSettled(settled);
          // What became of a message is remembered for a window of them.
          if (results.length >= limits.window / 4) await this.#deliverResults(results.splice(0), patience);
          [ask, freedAgain] = [true, 0];
        } else if (ask || waiting || freed || this.#pending(commandsNext.operation).length > 0) {
          await this.#ask(patience);
          const { commands } = this.#present;
          if (!commands.hand && !commands.freed) break;
          if (!commands.hand) freedAgain += 1;
        } else break;
      }
      await this.#deliverResults(results, patience);
      return handled;
    });
  }

  /** Settles the command in hand without starting it: the device is about to leave. */
  async settleHand(patience: Patience): Promise<void> {
    await this.#line.take(patience, async () => {
      const {
        commands: { hand },
        ended,
      } = this.#ports.cell.enrolled;
      if (!hand || ended) return;
      const isBegun = (await this.#judge(hand)) === "interrupted" || (await this.#isMarked(hand.n, "run"));
      if (!isBegun) await this.#mark(hand.n, "refused");
      await this.#settle({ ...named(hand), status: isBegun ? "interrupted" : "expired" }, patience);
    });
  }

  /** @throws DeviceError `revoked` · `gone`: nothing more is started */
  get #present(): Enrolled {
    const { enrolled } = this.#ports.cell;
    if (enrolled.ended) throw new DeviceError(enrolled.ended, "");
    return enrolled;
  }

  /** The seqs of those that are on their way. */
  #pending(operation: string): number[] {
    const { pending } = this.#ports.cell.enrolled.queue;
    return pending.filter((message) => message.operation === operation).map(({ seq }) => seq);
  }

  async #ask(patience: Patience): Promise<void> {
    const { handled } = this.#present.commands;
    const [pending] = this.#pending(commandsNext.operation);
    const seq = pending ?? (await this.#outbox.enqueue(commandsNext, { handled }));
    requireDone(await this.#outbox.deliver(seq, patience));
  }

  /** @returns null where it stays in hand */
  async #act(
    command: Command,
    patience: Patience,
    { handlers, signal }: { readonly handlers: CommandHandlers; readonly signal: AbortSignal },
  ): Promise<(HandledCommand & { readonly seq: number }) | null> {
    const handler = await findHandler(handlers, command.name);
    await this.#makeRoom(patience);
    // A verb that was ended begins nothing.
    await patience.wait(Promise.resolve());
    const { n, commandId, name } = command;
    const result = await this.#decide(command, handler, signal);
    if (!result) return null;
    return { n, commandId, name, status: result.status, seq: await this.#settle(result, patience) };
  }

  async #decide(
    command: Command,
    handler: CommandHandler | undefined,
    signal: AbortSignal,
  ): Promise<CommandsResultBody | null> {
    const verdict = await this.#judge(command);
    switch (verdict) {
      case "expired":
      case "interrupted":
        return { ...named(command), status: verdict };
      case "expire":
        await this.#mark(command.n, "refused");
        return { ...named(command), status: "expired" };
      case "run": {
        if (handler) return this.#execute(command, handler, signal);
        if (await this.#isMarked(command.n, "run")) return { ...named(command), status: "interrupted" };
        await this.#mark(command.n, "refused");
        return { ...named(command), status: "rejected" };
      }
    }
  }

  async #execute(command: Command, handler: CommandHandler, signal: AbortSignal): Promise<CommandsResultBody | null> {
    const { n, commandId, name } = command;
    await this.#mark(n, "run");
    try {
      const output = await handler(command.arguments, { n, commandId, name, signal });
      if (output !== commandLater) return doneWith(command, output);
      return command.repeatable ? null : failedWith(command, { code: "not-repeatable" });
    } catch (error) {
      if (error instanceof CommandFailure) return failedWith(command, error.output);
      return failedWith(command, { reason: reasonOf(error) });
    }
  }

  async #judge(command: Command) {
    const { keys, cell, serviceKeys } = this.#ports;
    return judge(command, await keys.readMarker(), cell.enrolled.deviceId, serviceKeys.clock.now());
  }

  async #isMarked(n: number, decision: "run" | "refused"): Promise<boolean> {
    const marker = await this.#ports.keys.readMarker();
    return marker?.deviceId === this.#ports.cell.enrolled.deviceId && marker.n === n && marker.decision === decision;
  }

  async #mark(n: number, decision: "run" | "refused"): Promise<void> {
    const { deviceId } = this.#ports.cell.enrolled;
    await this.#ports.keys.writeMarker({ deviceId, n, decision });
  }

  /**
   * One durable write: the result is queued, `handled` is n, and nothing is in hand.
   * @returns the seq of the result
   */
  async #settle(result: CommandsResultBody, patience: Patience): Promise<number> {
    for (;;) {
      try {
        return await this.#outbox.enqueue(commandsResult, result, (state) => ({
          ...state,
          commands: { ...state.commands, handled: result.n, hand: null },
        }));
      } catch (error) {
        if (!isDeviceError(error) || error.code !== "queue-full") throw error;
        await this.#outbox.flush(patience);
      }
    }
  }

  /** For the result, before anything is started. */
  async #makeRoom(patience: Patience): Promise<void> {
    const { next, pending } = this.#ports.cell.enrolled.queue;
    if (next - (pending[0]?.seq ?? next) >= limits.window / 2) await this.#outbox.flush(patience);
  }

  /** @throws DeviceError for the first that the service did not take, once the others are delivered */
  async #deliverResults(seqs: readonly number[], patience: Patience): Promise<void> {
    let refused: Outcome | undefined;
    for (const seq of seqs) {
      const outcome = await this.#outbox.deliver(seq, patience);
      if (outcome.kind === "unknown" && outcome.why !== "below-window") requireDone(outcome);
      if (outcome.kind === "refused") refused ??= outcome;
    }
    if (refused) requireDone(refused);
  }
}

function named({ n, commandId }: Command): Pick<CommandsResultBody, "n" | "commandId"> {
  return { n, commandId };
}

async function findHandler(handlers: CommandHandlers, name: string): Promise<CommandHandler | undefined> {
  if (typeof handlers === "function") return handlers(name);
  return Object.hasOwn(handlers, name) ? handlers[name] : undefined;
}
