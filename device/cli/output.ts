import util from "node:util";

import type { Command } from "commander";

import { errorCode } from "../adapters/durable-file.ts";
import { isDeviceError } from "../device-error.ts";
import { isCommandError } from "./command-error.ts";
import { adviceFor, failures } from "./failures.ts";
import { type GlobalOptions, readGlobalOptions } from "./global-options.ts";

type Stream = NodeJS.WriteStream;
type Style = Parameters<typeof util.styleText>[0];

/** What the user sees: results on standard output, everything else on standard error, either as text or as JSON. */
export class Output {
  readonly #options: Partial<Pick<GlobalOptions, "json" | "quiet">>;

  constructor(options: Partial<Pick<GlobalOptions, "json" | "quiet">>) {
    this.#options = options;
  }

  static of(program: Command): Output {
    return new Output(readGlobalOptions(program));
  }

  /** The result of a command: these lines, or this object with --json. */
  result(lines: readonly string[], json: object): void {
    if (this.#options.json) process.stdout.write(`${JSON.stringify(json)}\n`);
    else if (!this.#options.quiet) process.stdout.write(lines.map((line) => `${line}\n`).join(""));
  }

  /** Something worth knowing while it lasts. */
  note(text: string): void {
    if (!this.#options.json && !this.#options.quiet) process.stderr.write(`${paint(process.stderr, "dim", text)}\n`);
  }

  /** A line of a log that never ends, in the form that the caller gave it. */
  line(text: string): void {
    if (!this.#options.quiet) process.stderr.write(`${text}\n`);
  }

  get showsProgress(): boolean {
    return !this.#options.json && !this.#options.quiet;
  }

  /** @returns the exit code */
  fail(error: unknown): number {
    const { code, what, next, exit } = describe(error);
    if (this.#options.json) process.stderr.write(`${JSON.stringify({ error: { code, message: what, next, exit } })}\n`);
    else process.stderr.write(`${paint(process.stderr, "red", "error:")} ${what}.\n  → ${next}\n`);
    return exit;
  }
}

function describe(error: unknown): { code: string; what: string; next: string; exit: number } {
  if (isDeviceError(error)) {
    return { code: error.code, what: error.message, next: adviceFor(error), exit: failures[error.code].exit };
  }
  if (isCommandError(error)) return { code: error.code, what: error.message, ...failures[error.code] };
  const name = error instanceof Error ? error.name : "unknown";
  const code = errorCode(error);
  return { code: "fault", what: `This program failed (${name}${code ? ` ${code}` : ""})`, ...failures.fault };
}

/** Colours on a terminal alone (NO_COLOR, https://no-color.org). */
function paint(stream: Stream, style: Style, text: string): string {
  const plain = !stream.isTTY || (process.env["NO_COLOR"] ?? "") !== "" || process.env["TERM"] === "dumb";
  // Absent before Node 20.12.
  return plain || typeof util.styleText !== "function" ? text : util.styleText(style, text);
}
