import { certificateKey, issueCaCertificate } from "@sealpost/protocol/documents/certificate.ts";
import { type EcPublicJwk, thumbprint } from "@sealpost/protocol/token/keys.ts";
import { type TrustClaims, readTrust, signTrust } from "@sealpost/protocol/documents/trust.ts";
import type { Command } from "commander";

import { isoTime } from "../duration.ts";
import { OperatorFault, isOperatorFault } from "../fault.ts";
import { type KmsKey, kmsKeys } from "../kms-signer.ts";
import { countOption, httpUrlOption, publicJwkOption, several } from "../options.ts";
import { type Service } from "../service.ts";
import { openSession } from "../session.ts";
import { record } from "../table.ts";
import { changedMembers, leftOut, nextTrustClaims } from "../trust-claims.ts";

type PublishOptions = {
  readonly messageUrl?: readonly string[];
  readonly standbyJwk?: EcPublicJwk;
  readonly withoutStandby?: boolean;
  readonly releaseKey?: readonly string[];
  readonly releaseThreshold?: number;
  readonly alsoSign?: readonly string[];
  readonly force?: boolean;
};

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
      several(httpUrlOption),
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
    .action(publish);

  trust.command("show").description("show the newest trust document").action(show);
}

async function publish(options: PublishOptions, command: Command): Promise<void> {
  const { stack, service, output } = openSession(command);
  const { outputs } = stack;
  const keys = kmsKeys(stack, "RootPolicyArn");

  output.step("Reading the published trust document");
  const previous = await publishedClaims(service);
  output.step("Reading public keys from KMS");
  const [root, caKey, keySetKey, receiptKey, releaseKey, ...releaseKeys] = await Promise.all([
    keys.open(outputs.RootKeyId),
    keys.publicKey(outputs.IssuingCaKeyId),
    keys.publicKey(outputs.KeySetKeyId),
    keys.publicKey(outputs.ReceiptKeyId),
    keys.publicKey(outputs.ReleaseKeyId),
    ...(options.releaseKey ?? []).map(keys.publicKey),
  ]);
  const coSigners = await Promise.all((options.alsoSign ?? []).map(keys.open));
  await checkMaySign(previous, root, coSigners);

  const now = new Date();
  const serviceId = outputs.ServiceId;
  const issuingCa =
    (await reusableCertificate(previous, root.jwk, caKey)) ??
    (await issueCaCertificate({ serviceId, caKey, root: root.signer, rootKey: root.jwk, now }));
  const own = {
    serviceId,
    root: root.jwk,
    issuingCa,
    keySetKey,
    receiptKey,
    releaseKey,
    messageUrl: stack.messageUrl,
  };
  const wishes = {
    standby: options.withoutStandby ? ("none" as const) : options.standbyJwk,
    releaseKeys: options.releaseKey && releaseKeys,
    releaseThreshold: options.releaseThreshold,
    messageUrls: options.messageUrl,
  };
  const claims = nextTrustClaims(own, wishes, previous, Math.floor(now.getTime() / 1000));
  const missing = leftOut(own, claims);
  if (missing.length > 0) output.note(`Note: the document leaves out what this stack has: ${missing.join(", ")}.`);
  const changed = changedMembers(previous, claims);
  if (previous && changed.length === 0 && !options.force) {
    output.result(
      { version: previous.version, published: false },
      `The published trust document, version ${previous.version}, already says all this. Nothing was signed; --force publishes it anew.`,
    );
    return;
  }
  output.step(`Signing version ${claims.version} with the root key`);
  const document = await signTrust(claims, [root.signer, ...coSigners.map(({ signer }) => signer)]);
  output.step("Publishing it");
  const { version } = await service.ask("publishTrust", { request: { document } });
  if (previous)
    output.note(`Changed since version ${previous.version}: ${changed.join(", ") || "version and time alone"}.`);
  output.result(
    { version, published: true, claims },
    `Published trust document version ${version}.\n\n${await describe(claims)}`,
  );
}

async function show(_: object, command: Command): Promise<void> {
  const { service, output } = openSession(command);
  const { version, chain } = await service.ask("showTrust", {});
  const claims = readTrust(chain);
  output.result({ version, claims, chain }, `${await describe(claims)}\ndocuments devices follow  ${chain.length}`);
}

async function publishedClaims(service: Service): Promise<TrustClaims | undefined> {
  try {
    return readTrust((await service.ask("showTrust", {})).chain);
  } catch (error) {
    if (isOperatorFault(error) && error.code === "not-set-up" && error.next.includes("trust publish")) return undefined;
    throw error;
  }
}

/** Devices follow a new root only if the one they believe, or its standby, signs as well. The service checks it; here is the advice. */
async function checkMaySign(
  previous: TrustClaims | undefined,
  root: KmsKey,
  coSigners: readonly KmsKey[],
): Promise<void> {
  if (!previous) return;
  const signers = new Set([root, ...coSigners].map(({ signer }) => signer.kid));
  const [before, standby] = await Promise.all(
    [previous.root, ...(previous.standby ? [previous.standby] : [])].map(thumbprint),
  );
  if ([before, standby].some((print) => print !== undefined && signers.has(print))) return;
  throw new OperatorFault(
    "usage",
    `The stack's root key is not the one that devices believe (${before}), so they would not follow it.`,
    "sign by the root before or its standby as well: --also-sign ARN",
  );
}

/** A certificate is kept while its key and its signer stay: devices need not notice. */
async function reusableCertificate(
  previous: TrustClaims | undefined,
  root: EcPublicJwk,
  caKey: EcPublicJwk,
): Promise<string | undefined> {
  if (!previous || (await thumbprint(previous.root)) !== (await thumbprint(root))) return undefined;
  const certified = await certificateKey(previous.issuingCa);
  return (await thumbprint(certified)) === (await thumbprint(caKey)) ? previous.issuingCa : undefined;
}

async function describe(claims: TrustClaims): Promise<string> {
  const prints = async (keys: readonly EcPublicJwk[]) => (await Promise.all(keys.map(thumbprint))).join(" ");
  return record({
    service: claims.iss,
    version: claims.version,
    signed: isoTime(claims.iat),
    root: await thumbprint(claims.root),
    standby: claims.standby ? await thumbprint(claims.standby) : "none",
    "issuing CA": await thumbprint(await certificateKey(claims.issuingCa)),
    "key-set keys": await prints(claims.keySetKeys),
    "receipt keys": await prints(claims.receiptKeys),
    "release keys": await prints(claims.releaseKeys),
    "release threshold": `${claims.releaseThreshold} of ${claims.releaseKeys.length}`,
    "message URLs": claims.messageUrls.join(" "),
  });
}
