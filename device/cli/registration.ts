import type { Command } from "commander";
import * as z from "zod/mini";

import { CommandError } from "./command-error.ts";
import { parseCount } from "./global-options.ts";
import { withDevice } from "./home.ts";

const optionsSchema = z.object({
  model: z.optional(z.string()),
  hardware: z.optional(z.string()),
  firmwareVersion: z.optional(z.string()),
  firmwareCounter: z.optional(z.number()),
  capability: z.optional(z.array(z.string())),
});

export function registerRegistration(program: Command): void {
  program
    .command("register")
    .summary("tell the service what this device is")
    .description(
      "Tells the service what this device is. Again whenever that changes; what is left out stays as it was.",
    )
    .option("--model <name>", "the product, as releases name it")
    .option("--hardware <revision>", "the hardware revision, as releases name it")
    .option("--firmware-version <name>", "the firmware that runs, for people")
    .option("--firmware-counter <n>", "its release counter, which orders releases", parseCount)
    .option("--capability <name...>", "what this device can do")
    .addHelpText(
      "after",
      "\nExample:\n  $ sealpost-device register --model meter --hardware r2 --firmware-version 1.0.0 --firmware-counter 1",
    )
    .action(async (options: unknown, command: Command) => {
      const given = optionsSchema.parse(options);
      await withDevice(command, async (device, { output, ports: { slots } }) => {
        const known = device.status();
        const { model, hardware, version, counter } = complete({
          model: given.model ?? known.model,
          hardware: given.hardware ?? known.hardware,
          version: given.firmwareVersion ?? known.firmware?.version,
          counter: given.firmwareCounter ?? known.firmware?.counter,
        });
        const firmware = { version, counter };
        await slots.install(firmware);
        const { pollSeconds } = await device.register({
          model,
          hardware,
          firmware,
          capabilities: given.capability ?? known.capabilities ?? [],
        });
        output.result(
          [`Registered as ${model} ${hardware}, firmware ${firmware.version}.`, "→ next: sealpost-device check"],
          { model, hardware, firmware, pollSeconds },
        );
      });
    });
}

type Profile = { model: string; hardware: string; version: string; counter: number };

/** @throws CommandError `usage`, naming everything that is neither given nor known */
function complete({
  model,
  hardware,
  version,
  counter,
}: { [name in keyof Profile]: Profile[name] | undefined }): Profile {
  if (model !== undefined && hardware !== undefined && version !== undefined && counter !== undefined) {
    return { model, hardware, version, counter };
  }
  const options = {
    "--model": model,
    "--hardware": hardware,
    "--firmware-version": version,
    "--firmware-counter": counter,
  };
  const missing = Object.entries(options).flatMap(([option, value]) => (value === undefined ? [option] : []));
  throw new CommandError("usage", `Missing, and not known from before: ${missing.join(", ")}`);
}
