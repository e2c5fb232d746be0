import { join } from "node:path";

import type { Command } from "commander";
import * as z from "zod/mini";

import { writeDurable } from "../adapters/durable-file.ts";
import { withDevice } from "./home.ts";

const optionsSchema = z.object({ reason: z.optional(z.string()) });

export function registerDeregistration(program: Command): void {
  program
    .command("deregister")
    .summary("leave the service for good, and erase the keys")
    .description(
      "Leaves the service for good. The keys are erased once the service's signed receipt is verified; the receipt is saved in the home, as receipt.jws.\n" +
        "Readings that are still stored are not sent, and it says how many; `sealpost-device send` sends them first.\n" +
        "Interrupted at any point, run it again.",
    )
    .option("--reason <code>", "a short stable code, such as replaced")
    .addHelpText("after", "\nExample:\n  $ sealpost-device deregister --reason replaced")
    .action(async (options: unknown, command: Command) => {
      const { reason } = optionsSchema.parse(options);
      await withDevice(command, async (device, { output, folder }) => {
        const { receipt, unsent } = await device.deregister(reason === undefined ? {} : { reason });
        const { deviceId } = device.status();
        const file = join(folder, "receipt.jws");
        await writeDurable(file, `${receipt}\n`);
        const lines = [
          `Device ${deviceId} has left; its keys are erased.`,
          `The service's signed receipt is in ${file}; who has the service's trust document can verify it.`,
          ...(unsent > 0 ? [`Readings that were stored and never will be sent: ${unsent}.`] : []),
        ];
        output.result(lines, { deviceId, receipt, file, unsent });
      });
    });
}
