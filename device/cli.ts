import { Command, CommanderError } from "commander";

import { registerBootstrap } from "./cli/bootstrap.ts";
import { CommandError } from "./cli/command-error.ts";
import { registerCommands } from "./cli/commands.ts";
import { registerDeregistration } from "./cli/deregistration.ts";
import { exitCodeHelp } from "./cli/failures.ts";
import { registerFirmware } from "./cli/firmware.ts";
import { globalOptions } from "./cli/global-options.ts";
import { Output } from "./cli/output.ts";
import { registerRegistration } from "./cli/registration.ts";
import { registerRenewal } from "./cli/renewal.ts";
import { registerRun } from "./cli/run.ts";
import { registerSend } from "./cli/send.ts";
import { registerStatus } from "./cli/status.ts";
import manifest from "./package.json" with { type: "json" };

// What was asked for, also where the command line does not parse.
const wantsJson = process.argv.includes("--json");
const output = new Output({ json: wantsJson });

// A reader that has seen enough (`| head`) is no fault; whatever else keeps the result from its reader is.
process.stdout.on("error", (cause: NodeJS.ErrnoException) => {
  if (cause.code === "EPIPE") return;
  const why = `The result could not be written to standard output (${cause.code ?? cause.name})`;
  process.exitCode = output.fail(new CommandError("output-lost", why, { cause }));
});
// There is nobody left to tell.
process.stderr.on("error", () => {});

const program = new Command("sealpost-device")
  .description(
    "A Sealpost device on this machine: one TLS connection in its life, then sealed messages over any network.",
  )
  .version(manifest.version, "--version", "print the version")
  .helpOption("-h, --help", "print this help")
  .configureHelp({ showGlobalOptions: true })
  // Errors are said once, in the form that was asked for; the help that stands in for a missing command is text.
  .configureOutput({ outputError: () => {}, writeErr: (text) => void (wantsJson || process.stderr.write(text)) })
  .exitOverride()
  .addHelpText("afterAll", `\n${exitCodeHelp()}`);

globalOptions(program);
registerBootstrap(program);
registerRegistration(program);
registerFirmware(program);
registerCommands(program);
registerRenewal(program);
registerDeregistration(program);
registerRun(program);
registerSend(program);
registerStatus(program);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) process.exitCode = output.fail(error);
  else if (error.exitCode !== 0) process.exitCode = failUsage(error);
}

function failUsage({ code, message }: CommanderError): number {
  if (code !== "commander.help") return output.fail(new CommandError("usage", sentenceOf(message)));
  // The help was printed in its place.
  return wantsJson ? output.fail(new CommandError("usage", "No command was given")) : 2;
}

/** commander's `error: unknown command 'chek'\n(Did you mean check?)`, for a place in a sentence. */
function sentenceOf(message: string): string {
  const text = message
    .replace(/^error: /, "")
    .replaceAll("\n", " ")
    .replace(/\.$/, "");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
