import { styleText } from "node:util";

import { type OperatorFault, exitCodes } from "./fault.ts";
import { shortIds } from "./short-ids.ts";
import { print } from "./stdout.ts";
import { table } from "./table.ts";

/** Results go to standard output, alone, so that they can be piped; everything said meanwhile goes to standard error. */
export type Output = {
  /**
   * The result of the command: JSON for programs or text for people, never both.
   * @throws OutputError
   */
  result(value: object, text: string): Promise<void>;
  /**
   * One of many results that come by and by: a line of JSON (NDJSON) or of text.
   * @throws OutputError
   */
  line(value: object, text: string): Promise<void>;
  /** Rows that fit the terminal; whole where they are piped. */
  table(headings: readonly string[], rows: readonly (readonly string[])[]): string;
  /** Ids as they are shown: short on a terminal, and commands take them back. */
  ids(shown: readonly string[]): (id: string) => string;
  /** What a person wants to know besides. */
  note(text: string): void;
  /** A step of something that takes a while; call it again with the fraction done. */
  step(name: string, fraction?: number): void;
};

const barCells = 24;

export function openOutput({ json }: { readonly json: boolean }): Output {
  const { stdout, stderr } = process;
  let line = "";
  const endLine = () => {
    if (line !== "" && stderr.isTTY) stderr.write("\n");
    line = "";
  };
  return {
    async result(value, text) {
      endLine();
      await print(json ? `${JSON.stringify(value, null, 2)}\n` : `${text}\n`);
    },
    async line(value, text) {
      endLine();
      await print(`${json ? JSON.stringify(value) : text}\n`);
    },
    table: (headings, rows) => table(headings, rows, stdout.isTTY ? stdout.columns : undefined),
    ids: (shown) => (stdout.isTTY ? shortIds(shown) : (id) => id),
    note(text) {
      endLine();
      stderr.write(`${text}\n`);
    },
    step(name, fraction) {
      if (line !== name) {
        endLine();
        line = name;
        if (!stderr.isTTY) stderr.write(`${name}\n`);
      }
      if (stderr.isTTY) stderr.write(`\r${paint("cyan", "•")} ${name}${fraction === undefined ? "" : bar(fraction)}`);
    },
  };
}

function bar(fraction: number): string {
  const full = Math.round(fraction * barCells);
  return ` ${"█".repeat(full)}${"░".repeat(barCells - full)} ${String(Math.floor(fraction * 100)).padStart(3)} %`;
}

/** `error: what. why.` and the next step, or the same as JSON, on standard error. */
export function printFault({ code, message, next }: OperatorFault, json: boolean): void {
  const { stderr } = process;
  if (json) {
    stderr.write(`${JSON.stringify({ error: { code, message, next, exit: exitCodes[code].code } })}\n`);
    return;
  }
  // The line of a step may stand there half done.
  if (stderr.isTTY) stderr.write("\r\u001b[K");
  stderr.write(`${paint(["red", "bold"], "error:")} ${message}\n`);
  stderr.write(`${paint("cyan", "→")} ${next}\n`);
}

/** Colours on a terminal alone (NO_COLOR, https://no-color.org); Node 20 does not look by itself. */
function paint(style: Parameters<typeof styleText>[0], text: string): string {
  const plain = !process.stderr.isTTY || (process.env["NO_COLOR"] ?? "") !== "" || process.env["TERM"] === "dumb";
  return plain ? text : styleText(style, text);
}
