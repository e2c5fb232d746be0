import type { Command } from "commander";

import { withDevice } from "./home.ts";

export function registerRenewal(program: Command): void {
  program
    .command("renew")
    .summary("replace both keys and the certificate")
    .description(
      "Makes new keys and has the service certify them, in one sealed message. The old keys are erased once its answer is verified.\n" +
        "Interrupted at any point, run it again: it goes on with the same new keys.",
    )
    .addHelpText("after", "\nExample:\n  $ sealpost-device renew")
    .action(async (_options: unknown, command: Command) => {
      await withDevice(command, async (device, { output }) => {
        await device.renewKeys();
        const { signingKey } = device.status();
        output.result([`The keys are renewed; the signing key is now ${signingKey}.`], { signingKey });
      });
    });
}
