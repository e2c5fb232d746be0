import { readTrust } from "@sealpost/protocol/documents/trust.ts";
import type { Command } from "commander";

import { examples } from "../help.ts";
import { kmsKeys } from "../kms-signer.ts";
import { countOption, messageUrlOption, publicJwkOption, several } from "../options.ts";
import { openSession } from "../session.ts";
import { describeTrust } from "../trust-members.ts";
import { type PublishOptions, publishTrust } from "../trust-publication.ts";

export function addTrustCommands(program: Command): void {
  const trust = program.command("trust").description("what devices believe: the trust document, signed by the root");

  trust
    .command("publish")
    .description(
      "state the stack's present keys and addresses in a new trust document, sign it by the root in KMS, and publish it",
    )
    .option(
      "--message-url <url...>",
      "where devices send messages, in order of preference (default: as before, at first the stack's)",
      several(messageUrlOption),
    )
    .option(
      "--unreachable-ok <url...>",
      "message URLs that cannot be asked from here whether they are this service, and are stated all the same",
      several(messageUrlOption),
    )
    .option(
      "--standby-jwk <file>",
      "public JWK of a root that is kept offline, for the day the first is lost",
      publicJwkOption,
    )
    .option("--without-standby", "state no standby root")
    .option(
      "--release-key <arn...>",
      "KMS keys that sign firmware manifests (default: as before, at first the stack's)",
      several(String),
    )
    .option("--release-threshold <n>", "how many of them must sign", countOption)
    .option("--also-sign <arn...>", "KMS keys that sign too: the root before, when the root changes", several(String))
    .option("--force", "publish even if nothing changes but version and time")
    .option("--dry-run", "ask the URLs and show the difference; sign and publish nothing")
    .option("--yes", "do not ask; needed where there is no terminal to ask on")
    .addHelpText(
      "after",
      examples(
        "trust publish --dry-run",
        "trust publish --message-url http://devices.example.com http://d1.cloudfront.net",
        "trust publish --release-key ARN1 ARN2 --release-threshold 2",
      ),
    )
    .action(publish);

  trust
    .command("show")
    .description("show the newest trust document")
    .addHelpText("after", examples("trust show", "trust show --json"))
    .action(show);
}

async function publish(_: object, command: Command): Promise<void> {
  const session = openSession(command);
  await publishTrust(session, kmsKeys(session.stack, "RootPolicyArn"), command.optsWithGlobals<PublishOptions>());
}

async function show(_: object, command: Command): Promise<void> {
  const { service, output } = openSession(command);
  const { version, chain } = await service.ask("showTrust", {});
  const claims = readTrust(chain);
  await output.result(
    { version, claims, chain },
    `${await describeTrust(claims)}\ndocuments devices follow  ${chain.length}`,
  );
}
