import { randomBytes } from "node:crypto";

import { type CredentialPackage, credentialPackageSchema } from "@sealpost/protocol/bootstrap.ts";
import { tokenDigest } from "@sealpost/protocol/token/jws.ts";
import { serialNumberSchema, validSeconds } from "@sealpost/protocol/operator/credentials.ts";
import { type Command, InvalidArgumentError, Option } from "commander";

import { createPrivateFile } from "../credential-file.ts";
import { isoTime } from "../duration.ts";
import { durationOption, bootstrapUrlOption, uuidOption } from "../options.ts";
import { type PagingOptions, addPaging, collect, moreNote } from "../paging.ts";
import { openSession } from "../session.ts";
import { table } from "../table.ts";

type CreateOptions = {
  readonly serialNumber: string;
  readonly valid: number;
  readonly bootstrapUrl?: string;
  readonly out?: string;
  readonly force?: boolean;
};

/** 256 bits. */
const secretBytes = 32;

export function addCredentialCommands(program: Command): void {
  const credential = program
    .command("credential")
    .description("what a device proves itself with, once, at its bootstrap");

  credential
    .command("create")
    .description(
      "issue a credential and write the package that the device needs; the secret is made here and the service keeps only its hash",
    )
    .requiredOption("--serial-number <serial>", "the device's serial number, for people", serialNumberOption)
    .addOption(
      new Option("--valid <duration>", "how long it may be used")
        .argParser(validityOption)
        .default(validSeconds.usual, "7d"),
    )
    .option("--bootstrap-url <url>", "base of the bootstrap routes (default: the stack's)", bootstrapUrlOption)
    .option("--out <file>", "the package's file, or - for standard output (default: <credential id>.credential.json)")
    .option("--force", "replace a file that exists")
    .action(create);

  addPaging(credential.command("list").description("list credentials, never their secrets")).action(list);

  credential
    .command("revoke")
    .description("withdraw a credential that has not been spent")
    .argument("<credential id>", "as `credential list` shows it", uuidOption)
    .action(revoke);
}

async function create(options: CreateOptions, command: Command): Promise<void> {
  const { stack, service, output } = openSession(command);
  const { serialNumber, valid, out, force = false } = options;
  // Before the request, so that a file that cannot be written costs no credential.
  const file = out === "-" ? undefined : await createPrivateFile(out, force);
  const secret = randomBytes(secretBytes).toString("base64url");
  try {
    const secretHash = await tokenDigest(secret);
    const { credential, serviceId, roots } = await service.ask("createCredential", {
      request: { serialNumber, validSeconds: valid, secretHash },
    });
    const { credentialId } = credential;
    const { local } = stack.access;
    const text = packageText({
      type: "sealpost-credential",
      version: 1,
      serviceId,
      credentialId,
      secret,
      bootstrapUrl: options.bootstrapUrl ?? stack.bootstrapUrl,
      roots,
      ...(local ? { ca: local.ca } : {}),
    });
    if (!file) {
      process.stdout.write(text);
      return;
    }
    const path = out ?? `${credentialId}.credential.json`;
    await file.commit(path, text);
    output.result(
      { credential, file: path },
      [
        `Credential ${credentialId} for serial number ${serialNumber}, valid until ${isoTime(credential.validUntil)}.`,
        `Package:  ${path} (readable by you alone: give it to the device, then delete it)`,
        `Secret:   ${secret}`,
        "The secret is in the package and here, and is not shown again.",
      ].join("\n"),
    );
  } catch (error) {
    await file?.discard().catch(() => undefined);
    throw error;
  }
}

function packageText(content: CredentialPackage): string {
  return `${JSON.stringify(credentialPackageSchema.parse(content), null, 2)}\n`;
}

async function list(options: PagingOptions, command: Command): Promise<void> {
  const { service, output } = openSession(command);
  const { items, cursor } = await collect(async (page) => {
    const { credentials, ...rest } = await service.ask("listCredentials", { query: page });
    return { items: credentials, ...rest };
  }, options);
  const rows = items.map(({ credentialId, status, serialNumber, validUntil, deviceId = "-" }) => [
    credentialId,
    status,
    serialNumber,
    isoTime(validUntil),
    deviceId,
  ]);
  const text =
    rows.length > 0
      ? table(["CREDENTIAL", "STATUS", "SERIAL NUMBER", "VALID UNTIL", "DEVICE"], rows)
      : "No credentials.";
  output.result({ credentials: items, ...(cursor === undefined ? {} : { cursor }) }, text);
  const more = moreNote(cursor);
  if (more) output.note(more);
}

async function revoke(credentialId: string, _: object, command: Command): Promise<void> {
  const { service, output } = openSession(command);
  const { credential } = await service.ask("revokeCredential", { path: { credentialId } });
  output.result(
    { credential },
    `Credential ${credential.credentialId} (serial number ${credential.serialNumber}) is revoked.`,
  );
}

function serialNumberOption(text: string): string {
  if (serialNumberSchema.safeParse(text).success) return text;
  throw new InvalidArgumentError("It is 1 to 64 printable ASCII characters with no space at either end.");
}

function validityOption(text: string): number {
  const seconds = durationOption(text);
  const { least, most } = validSeconds;
  if (seconds >= least && seconds <= most) return seconds;
  throw new InvalidArgumentError("It is from 1m to 400d.");
}
