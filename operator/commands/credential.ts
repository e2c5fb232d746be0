import { randomBytes } from "node:crypto";

import { type CredentialPackage, credentialPackageSchema, secretHash } from "@sealpost/protocol/bootstrap.ts";
import { serialNumberSchema, validSeconds } from "@sealpost/protocol/operator/credentials.ts";
import { type Command, InvalidArgumentError, Option } from "commander";

import { reasonOf, reservePlace } from "../credential-file.ts";
import { isoTime } from "../duration.ts";
import { OperatorFault, isOperatorFault } from "../fault.ts";
import { examples } from "../help.ts";
import { bootstrapUrlOption, durationOption, fitting, idOption } from "../options.ts";
import { type PagingOptions, addPaging, collect, moreNote } from "../paging.ts";
import type { Service } from "../service.ts";
import { openSession } from "../session.ts";
import { wholeCredentialId } from "../short-ids.ts";
import { isOutputError } from "../stdout.ts";

type CreateOptions = {
  readonly serialNumber: string;
  readonly valid: number;
  readonly bootstrapUrl?: string;
  readonly out?: string;
  readonly force?: boolean;
};

/** 256 bits. */
const secretBytes = 32;

const serialNumberOption = fitting(
  serialNumberSchema,
  "It is 1 to 64 printable ASCII characters with no space at either end.",
);

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
    .addHelpText(
      "after",
      examples(
        "credential create --serial-number SN-0001 --out credential.json",
        "credential create --serial-number SN-0001 --valid 12h --out - | ssh device cat '>' credential.json",
      ),
    )
    .action(create);

  addPaging(credential.command("list").description("list credentials, never their secrets"))
    .addHelpText("after", examples("credential list --all"))
    .action(list);

  credential
    .command("revoke")
    .description("withdraw a credential that has not been spent")
    .argument("<credential id>", "as `credential list` shows it", idOption)
    .addHelpText("after", examples("credential revoke 0f8e2a44-5d1c-4b53-9f0e-1c2d3e4f5a6b"))
    .action(revoke);
}

async function create(options: CreateOptions, command: Command): Promise<void> {
  const { stack, service, output } = openSession(command);
  const { serialNumber, valid, out, force = false } = options;
  const place = await reservePlace(out, force);
  const secret = randomBytes(secretBytes).toString("base64url");
  const request = { serialNumber, validSeconds: valid, secretHash: await secretHash(secret) };
  const { credential, serviceId, roots } = await service.ask("createCredential", { request }).catch(async (error) => {
    await place.discard();
    throw error;
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
  let path: string;
  try {
    path = await place.fill(`${credentialId}.credential.json`, text);
  } catch (error) {
    await place.discard().catch(() => undefined);
    throw await takeBack(service, credentialId, error);
  }
  // The package on standard output is all that belongs there.
  if (path === "-") return;
  await output.result(
    { credential, file: path },
    [
      `Credential ${credentialId} for serial number ${serialNumber}, valid until ${isoTime(credential.validUntil)}.`,
      `Package: ${path} (readable by you alone: give it to the device, then delete it)`,
      "The secret is in the package alone, and is not shown again.",
    ].join("\n"),
  );
}

/** Its secret is nowhere now: a credential that nobody can use must not look as if somebody could. */
async function takeBack(service: Service, credentialId: string, cause: unknown): Promise<OperatorFault> {
  const why =
    isOperatorFault(cause) || isOutputError(cause) ? cause.message : `It could not be written (${reasonOf(cause)}).`;
  try {
    await service.ask("revokeCredential", { path: { credentialId } });
    const message = `The package is lost: ${why} Credential ${credentialId} was revoked again, so nothing usable is left.`;
    return new OperatorFault("fault", message, "make room or name another file, and run the command again", { cause });
  } catch {
    const message = `The package is lost: ${why} Credential ${credentialId} was issued, and could not be revoked.`;
    return new OperatorFault(
      "fault",
      message,
      `run \`sealpost credential revoke ${credentialId}\`, then create another`,
      { cause },
    );
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
  const id = output.ids(items.flatMap(({ credentialId, deviceId = "" }) => [credentialId, deviceId]));
  const rows = items.map(({ credentialId, status, serialNumber, validUntil, deviceId = "-" }) => [
    id(credentialId),
    status,
    serialNumber,
    isoTime(validUntil),
    id(deviceId),
  ]);
  const text =
    rows.length > 0
      ? output.table(["CREDENTIAL", "STATUS", "SERIAL NUMBER", "VALID UNTIL", "DEVICE"], rows)
      : "No credentials.";
  await output.result({ credentials: items, ...(cursor === undefined ? {} : { cursor }) }, text);
  const more = moreNote(cursor);
  if (more) output.note(more);
}

async function revoke(id: string, _: object, command: Command): Promise<void> {
  const { service, output } = openSession(command);
  const credentialId = await wholeCredentialId(service, id);
  const { credential } = await service.ask("revokeCredential", { path: { credentialId } });
  await output.result(
    { credential },
    `Credential ${credential.credentialId} (serial number ${credential.serialNumber}) is revoked.`,
  );
}

function validityOption(text: string): number {
  const seconds = durationOption(text);
  const { least, most } = validSeconds;
  if (seconds >= least && seconds <= most) return seconds;
  throw new InvalidArgumentError("It is from 1m to 400d.");
}
