import type { Command } from "commander";

import { OperatorFault, exitCodes } from "./fault.ts";

/** Options that every command takes, before or after its name. */
const everywhere = [
  [
    "--stack <file>",
    "the stack: .local/stack.json or a CDK outputs file (default: SEALPOST_STACK, then .local/stack.json here or above)",
  ],
  ["--json", "print results and errors as JSON; times are Unix seconds"],
] as const;

/** Gives a command and all below it what every command takes and every help says. */
export function complete(command: Command): void {
  command.exitOverride((error) => {
    if (error.code !== "commander.missingMandatoryOptionValue") throw error;
    // Commander names the first alone.
    const missing = command.options.filter(
      (option) => option.mandatory && command.getOptionValue(option.attributeName()) === undefined,
    );
    const flags = missing.map((option) => option.flags).join(", ");
    throw new OperatorFault("usage", `This must be given: ${flags}.`, "--help lists options and shows examples");
  });
  for (const [flags, description] of everywhere) command.option(flags, description);
  command.addHelpText("after", epilogue());
  for (const below of command.commands) complete(below);
}

/** Lines for `addHelpText("after", …)`, each without `sealpost`. */
export function examples(...lines: readonly string[]): string {
  return ["", "Examples:", ...lines.map((line) => `  sealpost ${line}`)].join("\n");
}

function epilogue(): string {
  const codes = [[0, "done"], ...Object.values(exitCodes).map(({ code, meaning }) => [code, meaning])];
  return [
    "",
    "AWS credentials and profile are found as every AWS tool finds them; a local stack uses its own.",
    "",
    "Exit codes:",
    ...codes.map(([code, meaning]) => `  ${code}  ${meaning}`),
  ].join("\n");
}
