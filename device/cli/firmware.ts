import { firmwareStates } from "@sealpost/protocol/exchanges/firmware.ts";
import { type Command, Option } from "commander";
import * as z from "zod/mini";

import { Device } from "../device.ts";
import { parseCount } from "./global-options.ts";
import { inHome, withDevice } from "./home.ts";
import { formatBytes, progressLine } from "./progress.ts";

export function registerFirmware(program: Command): void {
  registerCheck(program);
  registerUpdate(program);
  registerBoot(program);
  registerReport(program);
}

function registerCheck(program: Command): void {
  program
    .command("check")
    .summary("ask whether there is newer firmware")
    .description("Asks the service for firmware newer than what runs, and verifies the manifest of what it offers.")
    .addHelpText("after", "\nExample:\n  $ sealpost-device check")
    .action(async (_options: unknown, command: Command) => {
      await withDevice(command, async (device, { output }) => {
        const offer = await device.checkFirmware();
        const lines = offer
          ? [
              `Firmware ${offer.version} (release ${offer.counter}, ${formatBytes(offer.size)}) is on offer.`,
              "→ next: sealpost-device update",
            ]
          : nothingNewer(device);
        output.result(lines, { offer });
      });
    });
}

const updateSchema = z.object({ again: z.optional(z.boolean()) });

function nothingNewer(device: Device): string[] {
  const { givenUp = [] } = device.status();
  if (givenUp.length === 0) return ["There is nothing newer."];
  return [
    `There is nothing newer, but for what failed here or was rolled back (release ${givenUp.join(", ")}).`,
    "→ next, to take it all the same: sealpost-device update --again",
  ];
}

function registerUpdate(program: Command): void {
  program
    .command("update")
    .summary("download and verify newer firmware into the inactive slot")
    .description(
      "Downloads what is on offer into the inactive slot, every record verified before it is written, and marks it bootable.\n" +
        "Interrupted at any point, run it again: it goes on where it was.",
    )
    .option("--again", "also a release that failed here or was rolled back")
    .addHelpText("after", "\nExample:\n  $ sealpost-device update && sealpost-device boot")
    .action(async (options: unknown, command: Command) => {
      const { again = false } = updateSchema.parse(options);
      await withDevice(command, async (device, { output }) => {
        const onProgress = progressLine("firmware", output.showsProgress);
        const update = await device.updateFirmware({ again, onProgress });
        const lines = update
          ? [
              `Firmware ${update.version} is verified and will be tried at the next restart.`,
              "→ next: sealpost-device boot",
            ]
          : nothingNewer(device);
        output.result(lines, { update });
      });
    });
}

const bootSchema = z.object({ fail: z.optional(z.boolean()) });

function registerBoot(program: Command): void {
  program
    .command("boot")
    .summary("restart into the new firmware, which confirms itself and reports it")
    .description(
      "Plays the bootloader on the slot files, then the firmware that comes up: it confirms itself and reports what became of the update.",
    )
    .option("--fail", "the new firmware does not come up: the bootloader goes back, and that is reported")
    .addHelpText("after", "\nExample:\n  $ sealpost-device boot")
    .action(async (options: unknown, command: Command) => {
      const { fail = false } = bootSchema.parse(options);
      await inHome(command, async ({ ports, options: deviceOptions, output }) => {
        const device = await Device.open({ ports, options: deviceOptions });
        if (device.status().firmware) await ports.slots.boot(!fail);
        const state = await device.confirmBoot();
        const { running } = await ports.slots.status();
        const what = state === "nothing" ? "Nothing new was booted" : state;
        output.result([`${what}: firmware ${running.version} (release ${running.counter}) runs.`], { state, running });
      });
    });
}

const reportSchema = z.object({
  counter: z.number(),
  state: z.enum(firmwareStates),
  reason: z.optional(z.string()),
});

function registerReport(program: Command): void {
  program
    .command("report")
    .summary("report the state of a release that was installed by other means")
    .description("Reports what became of a release on this device. `update` and `boot` do it by themselves.")
    .requiredOption("--counter <n>", "the release counter", parseCount)
    .addOption(new Option("--state <state>", "what became of it").choices(firmwareStates).makeOptionMandatory())
    .option("--reason <code>", "a short stable code, such as no-space")
    .addHelpText("after", "\nExample:\n  $ sealpost-device report --counter 7 --state failed --reason no-space")
    .action(async (options: unknown, command: Command) => {
      const { counter, state, reason } = reportSchema.parse(options);
      await withDevice(command, async (device, { output }) => {
        await device.reportFirmware({ counter, state, ...(reason === undefined ? {} : { reason }) });
        output.result([`Release ${counter} is reported as ${state}.`], { counter, state });
      });
    });
}
