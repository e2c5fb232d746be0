import { createInterface } from "node:readline/promises";

import { OperatorFault } from "./fault.ts";

/**
 * Asks before something that cannot be taken back. Where nobody can answer (a pipe, a pipeline, `--json`) `--yes` must have been said.
 * @throws OperatorFault `usage` unless the answer is yes
 */
export async function confirm(
  question: string,
  { yes = false, json = false }: { readonly yes?: boolean; readonly json?: boolean },
): Promise<void> {
  if (yes) return;
  const { stdin: input, stderr: output } = process;
  if (json || !input.isTTY || !output.isTTY) {
    throw new OperatorFault(
      "usage",
      "This asks first, and here is no terminal to ask on.",
      "look at what it would do with --dry-run, then add --yes",
    );
  }
  const terminal = createInterface({ input, output });
  // Ctrl-C and Ctrl-D are a no.
  const ended = new AbortController();
  terminal.on("close", () => ended.abort());
  const answer = await terminal.question(`${question} [y/N] `, { signal: ended.signal }).catch(() => "");
  terminal.close();
  if (/^y(?:es)?$/iu.test(answer.trim())) return;
  throw new OperatorFault("usage", "Nothing was changed: the answer was no.", "run the command again to change it");
}
