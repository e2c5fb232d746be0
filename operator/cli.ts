import { Command, CommanderError } from "commander";

import { addAuditCommands } from "./commands/audit.ts";
import { addCommandCommands } from "./commands/command.ts";
import { addCostCommand } from "./commands/cost.ts";
import { addCredentialCommands } from "./commands/credential.ts";
import { addDeviceCommands } from "./commands/device.ts";
import { addEventsCommands } from "./commands/events.ts";
import { addReceiptCommands } from "./commands/receipt.ts";
import { addReleaseCommands } from "./commands/release.ts";
import { addTrustCommands } from "./commands/trust.ts";
import { OperatorFault, exitCodes, isOperatorFault } from "./fault.ts";
import { complete } from "./help.ts";
import { printFault } from "./output.ts";
import { isOutputError, print } from "./stdout.ts";

/**
 * Runs one command line; a fault is told on standard error, as JSON where `--json` was asked for.
 * @param version of this package
 * @returns the exit code
 */
export async function main(argv: readonly string[], version = "0.0.0"): Promise<number> {
  const said = { out: "", error: "" };
  const json = argv.includes("--json");
  const fail = (fault: OperatorFault) => {
    printFault(fault, json);
    return exitCodes[fault.code].code;
  };
  try {
    await createProgram(version, said).parseAsync(argv);
    return 0;
  } catch (error) {
    try {
      // Commander has said what is wrong, or was asked for help.
      if (error instanceof CommanderError) {
        if (said.out !== "") await print(said.out);
        if (error.exitCode === 0) return 0;
        if (json) return fail(usageFault(error));
        process.stderr.write(said.error);
        return exitCodes.usage.code;
      }
      throw error;
    } catch (error) {
      // A reader that has seen enough (`| head`) is no fault.
      if (isOutputError(error) && error.code === "EPIPE") return 0;
      return fail(isOperatorFault(error) ? error : unexpected(error));
    }
  }
}

function createProgram(version: string, said: { out: string; error: string }): Command {
  const program = new Command("sealpost")
    .description(
      "Operate a Sealpost service: trust, credentials, devices, commands, releases, receipts, audit, events.",
    )
    .version(version, "-V, --version", "print the version of this program")
    // So that `release publish --version` is its own.
    .enablePositionalOptions()
    .configureOutput({
      writeOut: (text) => {
        said.out += text;
      },
      writeErr: (text) => {
        said.error += text;
      },
    })
    .showSuggestionAfterError()
    .showHelpAfterError("→ --help lists options and commands")
    .exitOverride();
  addTrustCommands(program);
  addCredentialCommands(program);
  addDeviceCommands(program);
  addCommandCommands(program);
  addReleaseCommands(program);
  addReceiptCommands(program);
  addAuditCommands(program);
  addCostCommand(program);
  addEventsCommands(program);
  complete(program);
  return program;
}

function usageFault(error: CommanderError): OperatorFault {
  const message = error.code === "commander.help" ? "A command is missing." : error.message.replace(/^error: /u, "");
  return new OperatorFault("usage", message, "--help lists options and commands");
}

/** Something nobody thought of: its message may hold what was being worked on, so only its kind is told. */
function unexpected(error: unknown): OperatorFault {
  if (isOutputError(error)) {
    return new OperatorFault("fault", error.message, "the command was carried out; see what became of it with a list", {
      cause: error,
    });
  }
  const name = error instanceof Error ? error.name : typeof error;
  const code = error instanceof Error && "code" in error ? ` ${String(error.code)}` : "";
  const place = error instanceof Error ? (/([\w-]+\.[jt]s:\d+)/u.exec(error.stack ?? "")?.[1] ?? "") : "";
  const where = place === "" ? "" : ` at ${place}`;
  return new OperatorFault(
    "fault",
    `Something unexpected happened (${name}${code}${where}).`,
    "run the command again; if it stays so, report it with this line",
    { cause: error },
  );
}
