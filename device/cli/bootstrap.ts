import { readFile } from "node:fs/promises";

import { parseJson } from "@sealpost/protocol/token/strict.ts";
import type { Command } from "commander";
import * as z from "zod/mini";

import { errorCode } from "../adapters/durable-file.ts";
import { httpsBootstrapTransport } from "../adapters/https-bootstrap-transport.ts";
import { Device } from "../device.ts";
import { DeviceError } from "../device-error.ts";
import { StateCell } from "../state/state-cell.ts";
import { CommandError } from "./command-error.ts";
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
  const before = (await StateCell.load(ports.state)).state?.phase;
  const device = await Device.bootstrap({
    credentialPackage,
    ports: { ...ports, bootstrap: httpsBootstrapTransport() },
    options,
  });
  const { deviceId, serviceId, signingKey } = device.status();
  const done = [
    `This is device ${deviceId} of ${serviceId}.`,
    "The TLS connection is closed and will not be needed again; the package may be destroyed.",
    "→ next: sealpost-device register --help",
  ];
  const already = [
    `This home is bootstrapped already: it is device ${deviceId} of ${serviceId}.`,
    "→ next: sealpost-device status",
  ];
  output.result(before === "enrolled" ? already : done, { deviceId, serviceId, signingKey });
}

/** @throws CommandError `package-unreadable`; DeviceError `package-invalid` */
export async function readPackage(file: string): Promise<unknown> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    const code = errorCode(cause);
    const why = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a folder" : (code ?? "");
    throw new CommandError("package-unreadable", `The credential package cannot be read: ${file}, ${why}`, { cause });
  }
  // No cause below: a parser's message quotes the text, and that holds the secret.
  const text = decodeText(bytes);
  if (text === null) throw new DeviceError("package-invalid", `${file} is not text in UTF-8; save it in that encoding`);
  try {
    JSON.parse(text);
  } catch {
    throw new DeviceError("package-invalid", `${file} is not JSON`);
  }
  try {
    return parseJson(new TextEncoder().encode(text), file);
  } catch {
    const why = "is JSON that no two readers need agree on; it names a member twice, or the like";
    throw new DeviceError("package-invalid", `${file} ${why}`);
  }
}

/**
 * What an editor or a shell may have made of the file on its way: UTF-8 with a byte order mark, or UTF-16 with one (PowerShell 5's `>`).
 * @returns null for anything else
 */
function decodeText(bytes: Uint8Array): string | null {
  const [first, second] = bytes;
  const marked = first === 0xff && second === 0xfe ? "utf-16le" : first === 0xfe && second === 0xff ? "utf-16be" : null;
  try {
    return new TextDecoder(marked ?? "utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}
