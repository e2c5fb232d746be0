import { Command, CommanderError } from "commander";

import { registerBootstrap } from "./cli/bootstrap.ts";
import { registerDeregistration } from "./cli/deregistration.ts";
import { exitCodeHelp } from "./cli/failures.ts";
import { registerFirmware } from "./cli/firmware.ts";
import { globalOptions } from "./cli/global-options.ts";
import { Output } from "./cli/output.ts";
import { registerRegistration } from "./cli/registration.ts";
import { registerRenewal } from "./cli/renewal.ts";
import { registerStatus } from "./cli/status.ts";

const program = new Command("sealpost-device")
  .description(
    "A Sealpost device on this machine: one TLS connection in its life, then sealed messages over any network.",
  )
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError("→ see `sealpost-device --help`")
  .exitOverride()
  .addHelpText("after", `\n${exitCodeHelp()}`);

globalOptions(program);
registerBootstrap(program);
registerRegistration(program);
registerFirmware(program);
registerRenewal(program);
registerDeregistration(program);
registerStatus(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else process.exitCode = Output.of(program).fail(error);
}
