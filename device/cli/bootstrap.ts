import { readFile } from "node:fs/promises";

import type { Command } from "commander";
import * as z from "zod/mini";

import { errorCode } from "../adapters/durable-file.ts";
import { httpsBootstrapTransport } from "../adapters/https-bootstrap-transport.ts";
import { Device } from "../device.ts";
import { DeviceError } from "../device-error.ts";
import { type Home, inHome } from "./home.ts";

const optionsSchema = z.object({ package: z.string() });

export function registerBootstrap(program: Command): void {
  program
    .command("bootstrap")
    .summary("spend a credential package on an identity, over one TLS connection")
    .description(
      "Makes this device's keys, and exchanges the operator's credential for a certificate over one TLS connection, which is then closed.\n" +
        "Interrupted at any point, run it again with the same package: it completes with the same keys.",
    )
    .requiredOption("--package <file>", "credential package from the operator (`sealpost credential create`)")
    .addHelpText("after", "\nExample:\n  $ sealpost-device bootstrap --package meter-7.json")
    .action(async (options: unknown, command: Command) => {
      const { package: file } = optionsSchema.parse(options);
      const credentialPackage = await readPackage(file);
      await inHome(command, (home) => bootstrap(credentialPackage, home), true);
    });
}

async function bootstrap(credentialPackage: unknown, { ports, options, output }: Home): Promise<void> {
  const device = await Device.bootstrap({
    credentialPackage,
    ports: { ...ports, bootstrap: httpsBootstrapTransport() },
    options,
  });
  const { deviceId, serviceId, signingKey } = device.status();
  const lines = [
    `This is device ${deviceId} of ${serviceId}.`,
    "The TLS connection is closed and will not be needed again; the package may be destroyed.",
    "→ next: sealpost-device register --help",
  ];
  output.result(lines, { deviceId, serviceId, signingKey });
}

async function readPackage(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    const code = errorCode(cause);
    const why = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a folder" : (code ?? "");
    throw new DeviceError("package-unreadable", `${file}, ${why}`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch {
    // No cause: a parser's message quotes the text, and that holds the secret.
    throw new DeviceError("package-invalid", `${file} is not JSON`);
  }
}
