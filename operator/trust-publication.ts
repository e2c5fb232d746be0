import { issueCaCertificate } from "@sealpost/protocol/documents/certificate.ts";
import { certificateKey } from "@sealpost/protocol/documents/x509.ts";
import { type TrustClaims, readTrust, signTrust } from "@sealpost/protocol/documents/trust.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { type SigningJwk } from "@sealpost/protocol/suites/suites.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";

import { confirm } from "./confirm.ts";
import { OperatorFault, isOperatorFault } from "./fault.ts";
import type { KmsKey, KmsKeys } from "./kms-signer.ts";
import type { Service } from "./service.ts";
import type { Session } from "./session.ts";
import { leftOut, nextTrustClaims } from "./trust-claims.ts";
import { describeTrust, differenceOf, differenceTable } from "./trust-members.ts";
import { type Expected, probeMessageUrl } from "./trust-probe.ts";

/** The options of `sealpost trust publish`. */
export type PublishOptions = {
  readonly json?: boolean;
  readonly messageUrl?: readonly string[];
  readonly unreachableOk?: readonly string[];
  readonly standbyJwk?: SigningJwk;
  readonly withoutStandby?: boolean;
  readonly releaseKey?: readonly string[];
  readonly releaseThreshold?: number;
  readonly alsoSign?: readonly string[];
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
};

/**
 * States the stack's present keys and addresses in the next trust document, asks whoever runs it, signs it by the root and publishes it.
 * @param keys where the keys of the stack are
 * @throws OperatorFault
 */
export async function publishTrust(
  { stack, service, output }: Session,
  keys: KmsKeys,
  options: PublishOptions,
): Promise<void> {
  const { outputs } = stack;

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
  const own = { serviceId, root: root.jwk, keySetKey, receiptKey, releaseKey, messageUrl: stack.messageUrl };
  const wishes = {
    standby: options.withoutStandby ? ("none" as const) : options.standbyJwk,
    releaseKeys: options.releaseKey && releaseKeys,
    releaseThreshold: options.releaseThreshold,
    messageUrls: options.messageUrl,
  };
  const draft = nextTrustClaims(own, wishes, previous, Math.floor(now.getTime() / 1000));
  checkThreshold(draft);
  const newUrls = draft.messageUrls.filter((url) => !previous?.messageUrls.includes(url));
  const unasked = checkUrls(draft.messageUrls, options.unreachableOk ?? []);

  const missing = leftOut(own, draft);
  if (missing.length > 0) output.note(`Note: the document leaves out what this stack has: ${missing.join(", ")}.`);
  const reusable = await reusableCertificate(previous, root.jwk, caKey);
  const difference = await differenceOf(previous, draft, caKey);
  if (previous && difference.length === 0 && !options.force) {
    await output.result(
      { version: previous.version, published: false, difference },
      `The published trust document, version ${previous.version}, already says all this. Nothing was signed; --force publishes it anew.`,
    );
    return;
  }
  output.step("Asking the new message URLs whether they are this service");
  await probe(
    newUrls.filter((url) => !unasked.has(url)),
    { serviceId, keySetKeys: [...(previous?.keySetKeys ?? []), keySetKey], first: previous === undefined },
  );
  const changes =
    difference.length > 0
      ? differenceTable(output, difference, [previous?.version ?? 0, draft.version])
      : "Version and time alone.";
  if (options.dryRun) {
    await output.result(
      { version: draft.version, published: false, difference },
      `${changes}\n\nThis would be version ${draft.version}. Nothing was signed.`,
    );
    return;
  }
  output.note(`${changes}\n`);
  await confirm(`Sign version ${draft.version} and publish it? Devices do not go back.`, options);

  output.step(`Signing version ${draft.version} with the root key`);
  const issuingCa =
    reusable ?? (await issueCaCertificate({ serviceId, caKey, root: root.signer, rootKey: root.jwk, now }));
  const claims = { ...draft, issuingCa };
  const document = await signTrust(claims, [root.signer, ...coSigners.map(({ signer }) => signer)]).catch(refuse);
  output.step("Publishing it");
  const { version } = await service.ask("publishTrust", { request: { document } });
  await output.result(
    { version, published: true, difference, claims },
    `Published trust document version ${version}.\n\n${await describeTrust(claims)}`,
  );
}

/** Nobody has thought of asking for it: the protocol says what a document may state. */
function refuse(error: unknown): never {
  if (!isTokenError(error)) throw error;
  throw new OperatorFault(
    "usage",
    `A trust document may not state this (${error.code}, ${error.detail}).`,
    "correct the option that it comes from",
    { cause: error },
  );
}

function checkThreshold({
  releaseThreshold,
  releaseKeys,
}: Pick<TrustClaims, "releaseThreshold" | "releaseKeys">): void {
  if (releaseThreshold <= releaseKeys.length) return;
  throw new OperatorFault(
    "usage",
    `--release-threshold ${releaseThreshold} asks for more signatures than there are release keys (${releaseKeys.length}).`,
    "name more keys with --release-key, or lower the threshold",
  );
}

/** @returns the URLs that are not to be asked */
function checkUrls(urls: readonly string[], unreachableOk: readonly string[]): ReadonlySet<string> {
  const twice = urls.find((url, index) => urls.indexOf(url) < index);
  if (twice !== undefined) throw new OperatorFault("usage", `${twice} is named twice.`, "name each message URL once");
  const stray = unreachableOk.find((url) => !urls.includes(url));
  if (stray === undefined) return new Set(unreachableOk);
  throw new OperatorFault(
    "usage",
    `--unreachable-ok names ${stray}, which the document does not state.`,
    `name one of them: ${urls.join(", ")}`,
  );
}

/** Devices follow the document to these URLs: each must be answered for by this very service. */
async function probe(urls: readonly string[], expected: Expected): Promise<void> {
  const found = await Promise.all(urls.map(async (url) => ({ url, wrong: await probeMessageUrl(url, expected) })));
  const wrong = found.flatMap(({ url, wrong }) => (wrong === undefined ? [] : [`${url} ${wrong}.`]));
  if (wrong.length === 0) return;
  throw new OperatorFault(
    "usage",
    `${wrong.join(" ")} Nothing was signed.`,
    "correct the URL; for one that only devices can reach, add --unreachable-ok URL",
  );
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
  root: SigningJwk,
  caKey: SigningJwk,
): Promise<string | undefined> {
  if (!previous || (await thumbprint(previous.root)) !== (await thumbprint(root))) return undefined;
  const certified = await certificateKey(previous.issuingCa);
  return (await thumbprint(certified)) === (await thumbprint(caKey)) ? previous.issuingCa : undefined;
}
