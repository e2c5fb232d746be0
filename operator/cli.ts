import { Command, CommanderError } from "commander";

import { addAuditCommands } from "./commands/audit.ts";
import { addCredentialCommands } from "./commands/credential.ts";
import { addDeviceCommands } from "./commands/device.ts";
import { addReleaseCommands } from "./commands/release.ts";
import { addTrustCommands } from "./commands/trust.ts";
import { OperatorFault, exitCodes, isOperatorFault } from "./fault.ts";
import { printFault } from "./output.ts";

/** Runs one command line and returns its exit code; a fault is told on standard error. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(argv);
    return 0;
  } catch (error) {
    // Commander has said what is wrong, or was asked for help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage.code;
    const fault = isOperatorFault(error) ? error : unexpected(error);
    printFault(fault);
    return exitCodes[fault.code].code;
  }
}

function createProgram(): Command {
  const program = new Command("sealpost")
    .description("Operate a Sealpost service: trust, credentials, devices, releases, audit.")
    .option(
      "--stack <file>",
      "the stack: .local/stack.json or a CDK outputs file (default: SEALPOST_STACK, then .local/stack.json here or above)",
    )
    .option("--json", "print results as JSON; times are Unix seconds")
    .addHelpText("after", epilogue())
    .showSuggestionAfterError()
    .showHelpAfterError("→ --help lists options and commands")
    .exitOverride();
  addTrustCommands(program);
  addCredentialCommands(program);
  addDeviceCommands(program);
  addReleaseCommands(program);
  addAuditCommands(program);
  return program;
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

/** Something nobody thought of: its message may hold what was being worked on, so only its kind is told. */
function unexpected(error: unknown): OperatorFault {
  const name = error instanceof Error ? error.name : typeof error;
  const code = error instanceof Error && "code" in error ? ` ${String(error.code)}` : "";
  const place = error instanceof Error ? (/([\w-]+\.ts:\d+)/u.exec(error.stack ?? "")?.[1] ?? "") : "";
  const where = place === "" ? "" : ` at ${place}`;
  return new OperatorFault(
    "fault",
    `Something unexpected happened (${name}${code}${where}).`,
    "run the command again; if it stays so, report it with this line",
  );
}
