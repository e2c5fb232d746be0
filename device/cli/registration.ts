import type { Command } from "commander";
import * as z from "zod/mini";

import { DeviceError } from "../device-error.ts";
import type { FirmwareVersion } from "../ports.ts";
import { withDevice } from "./home.ts";

const optionsSchema = z.object({
  model: z.optional(z.string()),
  hardware: z.optional(z.string()),
  firmwareVersion: z.optional(z.string()),
  firmwareCounter: z.optional(z.string()),
  capability: z.optional(z.array(z.string())),
});
type Options = z.infer<typeof optionsSchema>;

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
    .option("--firmware-counter <n>", "its release counter, which orders releases")
    .option("--capability <name...>", "what this device can do")
    .addHelpText(
      "after",
      "\nExample:\n  $ sealpost-device register --model meter --hardware r2 --firmware-version 1.0.0 --firmware-counter 1",
    )
    .action(async (options: unknown, command: Command) => {
      const given = optionsSchema.parse(options);
      await withDevice(command, async (device, { output, ports: { slots } }) => {
        const known = device.status();
        const firmware = firmwareOf(given, known.firmware);
        const model = required(given.model ?? known.model, "--model");
        const hardware = required(given.hardware ?? known.hardware, "--hardware");
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

function firmwareOf(
  { firmwareVersion, firmwareCounter }: Options,
  known: FirmwareVersion | undefined,
): FirmwareVersion {
  const version = required(firmwareVersion ?? known?.version, "--firmware-version");
  const counter = required(firmwareCounter ?? known?.counter.toString(), "--firmware-counter");
  if (!/^\d{1,15}$/.test(counter))
    throw new DeviceError("argument-invalid", "--firmware-counter is not a whole number");
  return { version, counter: Number(counter) };
}

function required(value: string | undefined, option: string): string {
  if (value !== undefined) return value;
  throw new DeviceError("argument-invalid", `${option} is missing`);
}
