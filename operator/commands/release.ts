import { randomBytes } from "node:crypto";

import { limits } from "@sealpost/protocol/limits.ts";
import {
  type ManifestClaims,
  manifestClaimsSchema,
  publishedHardwareSchema,
} from "@sealpost/protocol/exchanges/firmware.ts";
import { contentCipher } from "@sealpost/protocol/content/aes128gcm.ts";
import { recordListOf } from "@sealpost/protocol/content/record-list.ts";
import { signManifest } from "@sealpost/protocol/documents/manifest.ts";
import type { ReplyOf } from "@sealpost/protocol/operator/acts.ts";
import type { Release } from "@sealpost/protocol/operator/releases.ts";
import { type Command, InvalidArgumentError, Option } from "commander";

import { isoTime } from "../duration.ts";
import { OperatorFault } from "../fault.ts";
import { nobodyHas } from "../fleet.ts";
import { generateContentKey } from "../firmware/content-key.ts";
import { openImage, usualRecordBytes } from "../firmware/image.ts";
import { digestImage, sealImage, sha256 } from "../firmware/seal-image.ts";
import { uploadObject } from "../firmware/upload.ts";
import { examples } from "../help.ts";
import { kmsKeys } from "../kms-signer.ts";
import { countOption, durationOption, fitting, hardwareOption, modelOption, several } from "../options.ts";
import type { Output } from "../output.ts";
import { type PagingOptions, addPaging, collect, moreNote } from "../paging.ts";
import type { Service } from "../service.ts";
import { openSession } from "../session.ts";

type PublishOptions = {
  readonly model: string;
  readonly hardware: readonly string[];
  readonly version: string;
  readonly counter?: number;
  readonly expires: number;
  readonly recordBytes: number;
  readonly releaseKey?: readonly string[];
  readonly again?: true;
};
type WithdrawOptions = { readonly model: string; readonly hardware: string };
type ListOptions = PagingOptions & { readonly model?: string; readonly hardware?: string };

const hardwareList = {
  schema: publishedHardwareSchema,
  form: "A release is for 1 to 16 hardware revisions.",
};
const yearSeconds = 365 * 86_400;

const versionOption = fitting(
  manifestClaimsSchema.shape.version,
  "It is up to 64 letters, digits and . + _ -, as 1.4.2.",
);

export function addReleaseCommands(program: Command): void {
  const release = program.command("release").description("firmware that devices are offered");

  release
    .command("publish")
    .description("encrypt a firmware image, upload it, sign its manifest by the release key in KMS, and offer it")
    .argument("<file>", "the image")
    .requiredOption("--model <model>", "the model that it is for", modelOption)
    .requiredOption(
      "--hardware <revision...>",
      "the hardware revisions that it is for",
      several(hardwareOption, hardwareList),
    )
    .requiredOption("--version <version>", "its name, for people", versionOption)
    .option("--counter <n>", "its place in the order of releases (default: one above the newest)", countOption)
    .addOption(
      new Option("--expires <duration>", "when devices no longer take it")
        .argParser(durationOption)
        .default(yearSeconds, "365d"),
    )
    .addOption(
      new Option("--record-bytes <n>", "what a device holds in memory at once, from 1024; small ones for small devices")
        .argParser(recordBytesOption)
        .default(usualRecordBytes),
    )
    .option("--release-key <arn...>", "KMS keys that sign (default: the stack's)", several(String))
    .option("--again", "publish though the newest release is this very image under this very version")
    .addHelpText("after", examples("release publish meter.bin --model meter-1 --hardware r1 r2 --version 2.0.0"))
    .action(publish);

  release
    .command("withdraw")
    .description("offer a release no more, on any hardware that it is for; devices that have it keep it")
    .argument("<counter>", "as `release list` shows it", countOption)
    .requiredOption("--model <model>", "the model that it is for", modelOption)
    .requiredOption("--hardware <revision>", "one of the hardware revisions that it is for", hardwareOption)
    .addHelpText("after", examples("release withdraw 7 --model meter-1 --hardware r1"))
    .action(withdraw);

  addPaging(release.command("list").description("list releases, newest first"))
    .option("--model <model>", "only of this model, with --hardware", modelOption)
    .option("--hardware <revision>", "only for this hardware, with --model", hardwareOption)
    .addHelpText("after", examples("release list", "release list --model meter-1 --hardware r1"))
    .action(list);
}

async function publish(path: string, options: PublishOptions, command: Command): Promise<void> {
  const { stack, service, output } = openSession(command);
  const { model, hardware, version, expires } = options;
  const image = await openImage(path, options.recordBytes);

  output.step("Reading what is published");
  const newest = await newestReleases(service, model, hardware);
  const keys = kmsKeys(stack, "ReleasingPolicyArn");
  const signers = await Promise.all((options.releaseKey ?? [stack.outputs.ReleaseKeyId]).map(keys.open));
  checkSigners(
    signers.map(({ signer }) => signer.kid),
    newest.signing,
  );
  const counter = options.counter ?? newest.counter + 1;
  checkCounter(counter, newest.counter);
  if (await nobodyHas(service, model, hardware)) {
    output.note(
      `Note: no registered device is a ${model} of hardware ${hardware.join(" or ")}: nobody will take it yet.`,
    );
  }

  output.step("Making a content key");
  // 192 random bits: nobody guesses where an image is.
  const object = randomBytes(24).toString("base64url");
  const { plaintext, wrapped } = await generateContentKey(stack, object);
  const cipher = await contentCipher(plaintext, crypto.getRandomValues(new Uint8Array(16)), image.recordBytes);
  plaintext.fill(0);

  const hashing = `Hashing ${image.size} bytes in ${image.recordCount} records`;
  output.step(hashing);
  const digests = await digestImage(image, cipher, (fraction) => output.step(hashing, fraction));
  if (!options.again) checkNew(newest, version, digests.image);
  const now = Math.floor(Date.now() / 1000);
  const claims: ManifestClaims = manifestClaimsSchema.parse({
    iss: stack.outputs.ServiceId,
    iat: now,
    exp: now + expires,
    model,
    hardware,
    version,
    counter,
    size: image.size,
    sha256: digests.image,
    recordBytes: image.recordBytes,
    recordsSha256: sha256(digests.records).toString("base64url"),
    object,
  });

  // Before anything is uploaded, so that whoever may not sign leaves nothing behind.
  output.step("Signing the manifest with the release key");
  const manifest = await signManifest(
    claims,
    signers.map(({ signer }) => signer),
  );
  const uploading = `Encrypting and uploading ${image.encryptedBytes} bytes`;
  output.step(uploading);
  // One write each: S3 keeps nothing of one that was interrupted.
  await uploadObject(stack, {
    object,
    bytes: image.encryptedBytes,
    sha256: digests.encrypted,
    body: () => sealImage(image, cipher, digests, (fraction) => output.step(uploading, fraction)),
  });
  const publishing = async () => {
    output.step(`Uploading the list of ${image.recordCount} records`);
    await uploadObject(stack, {
      object: recordListOf(object),
      bytes: digests.records.length,
      sha256: sha256(digests.records),
      async *body() {
        yield digests.records;
      },
    });
    output.step("Publishing it");
    return service.ask("publishRelease", {
      request: { manifest, wrappedKey: wrapped, ...(options.again ? { again: true } : {}) },
    });
  };
  const { release } = await publishing().catch((error: unknown) => {
    const left = `s3://${stack.outputs.FirmwareBucket}/firmware/${object}`;
    output.note(
      `Note: ${left} is uploaded and perhaps offered to nobody; unless \`sealpost release list --json\` names it, whoever may delete there can remove it.`,
    );
    throw error;
  });
  await output.result(
    { release },
    `Published ${model} ${version} (counter ${counter}) for hardware ${hardware.join(", ")}; devices take it until ${isoTime(release.exp)}.`,
  );
}

async function withdraw(counter: number, options: WithdrawOptions, command: Command): Promise<void> {
  const { service, output } = openSession(command);
  const request = { model: options.model, hardware: options.hardware, counter };
  const { release } = await service.ask("withdrawRelease", { request });
  await output.result(
    { release },
    `${release.model} ${release.version} (counter ${counter}) is offered no more for hardware ${release.hardware.join(", ")}. Devices that have it keep it.`,
  );
}

async function list(options: ListOptions, command: Command): Promise<void> {
  const { model, hardware } = options;
  if ((model === undefined) !== (hardware === undefined)) {
    throw new OperatorFault("usage", "--model and --hardware are given together, or neither.", "add the other one");
  }
  const { service, output } = openSession(command);
  const of = model === undefined || hardware === undefined ? {} : { model, hardware };
  const { items, cursor } = await collect(async (page) => {
    const { releases, cursor: next } = await service.ask("listReleases", { query: { ...page, ...of } });
    return { items: releases, cursor: next };
  }, options);
  await output.result(
    { releases: items, ...(cursor === undefined ? {} : { cursor }) },
    items.length > 0 ? releaseTable(output, items) : "No releases.",
  );
  const more = moreNote(cursor);
  if (more) output.note(more);
}

function releaseTable({ table }: Pick<Output, "table">, releases: readonly Release[]): string {
  return table(
    ["MODEL", "HARDWARE", "VERSION", "COUNTER", "BYTES", "PUBLISHED", "EXPIRES", "WITHDRAWN"],
    releases.map(({ model, hardware, version, counter, size, published, exp, withdrawn }) => [
      model,
      hardware.join(","),
      version,
      String(counter),
      String(size),
      published.replace(".000Z", "Z"),
      isoTime(exp),
      withdrawn ? isoTime(withdrawn.at) : "-",
    ]),
  );
}

type Signing = ReplyOf<"listReleases">["signing"];
type Newest = { readonly counter: number; readonly releases: readonly Release[]; readonly signing: Signing };

async function newestReleases(service: Service, model: string, hardware: readonly string[]): Promise<Newest> {
  const replies = await Promise.all(
    hardware.map((one) => service.ask("listReleases", { query: { limit: "1", model, hardware: one } })),
  );
  const releases = replies.flatMap((reply) => reply.releases);
  const counter = Math.max(0, ...releases.map((release) => release.counter));
  return { counter, releases, signing: replies[0]?.signing };
}

/** The service checks it again; here it saves the upload. */
function checkNew({ releases }: Newest, version: string, sha256: string): void {
  const same = releases.find(
    (release) => !release.withdrawn && release.version === version && release.sha256 === sha256,
  );
  if (!same) return;
  throw new OperatorFault(
    "refused",
    `This image is published as ${version} already, with counter ${same.counter}: published again, every device would flash it again.`,
    "if that is meant, add --again",
  );
}

/** The service and every device check it again; here it saves the upload. */
function checkSigners(kids: readonly string[], signing: Signing): void {
  if (!signing) {
    throw new OperatorFault(
      "not-set-up",
      "No trust document is published yet, so no device knows a release key.",
      "publish the first: `sealpost trust publish`",
    );
  }
  const known = kids.filter((kid) => signing.keys.includes(kid)).length;
  if (known >= signing.threshold) return;
  throw new OperatorFault(
    "usage",
    `${signing.threshold} of the release keys of the trust document must sign, and the keys given include ${known}.`,
    "name them with --release-key ARN…, or state the present ones with `sealpost trust publish`",
  );
}

function checkCounter(counter: number, newest: number): void {
  if (counter > newest) return;
  throw new OperatorFault(
    "usage",
    `The release counter must be above ${newest}, which is published for this model and hardware: devices never go back.`,
    "leave --counter out to take the next one",
  );
}

function recordBytesOption(text: string): number {
  const { least, most } = limits.firmware.recordBytes;
  const bytes = Number(text);
  if (/^\d{1,7}$/.test(text) && bytes >= least && bytes <= most) return bytes;
  throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`);
}
