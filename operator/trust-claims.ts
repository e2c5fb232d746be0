import { type SigningJwk } from "@sealpost/protocol/suites/suites.ts";
import type { TrustClaims } from "@sealpost/protocol/documents/trust.ts";

/** What an operator says a trust document should state; whatever is undefined stays as it was, or takes the stack's own. */
export type TrustWishes = {
  readonly standby: SigningJwk | "none" | undefined;
  readonly releaseKeys: readonly SigningJwk[] | undefined;
  readonly releaseThreshold: number | undefined;
  readonly messageUrls: readonly string[] | undefined;
};

/** The keys and address that the deployed stack has now. */
export type StackTrust = {
  readonly serviceId: string;
  readonly root: SigningJwk;
  readonly keySetKey: SigningJwk;
  readonly receiptKey: SigningJwk;
  readonly releaseKey: SigningJwk;
  readonly messageUrl: string;
};

/** Everything but the issuing CA's certificate, which the root signs only once the rest is agreed. */
export type TrustDraft = Omit<TrustClaims, "issuingCa">;

/**
 * The claims of the next trust document. The service's own keys are the stack's present ones. What operators chose (a standby, release keys and
 * their threshold, message URLs) stays until they say otherwise: publishing again must not undo a choice by leaving out an option.
 */
export function nextTrustClaims(
  stack: StackTrust,
  wishes: TrustWishes,
  previous: TrustDraft | undefined,
  now: number,
): TrustDraft {
  const standby = wishes.standby === "none" ? undefined : (wishes.standby ?? previous?.standby);
  const releaseKeys = [...(wishes.releaseKeys ?? previous?.releaseKeys ?? [stack.releaseKey])];
  return {
    iss: stack.serviceId,
    iat: now,
    version: (previous?.version ?? 0) + 1,
    root: stack.root,
    ...(standby ? { standby } : {}),
    keySetKeys: [stack.keySetKey],
    receiptKeys: [stack.receiptKey],
    releaseKeys,
    releaseThreshold: wishes.releaseThreshold ?? Math.min(previous?.releaseThreshold ?? 1, releaseKeys.length),
    messageUrls: [...(wishes.messageUrls ?? previous?.messageUrls ?? [stack.messageUrl])],
  };
}

/** What the stack has and the document leaves out: meant so, or left over from a stack that was replaced. */
export function leftOut({ releaseKey, messageUrl }: StackTrust, claims: TrustDraft): string[] {
  return [
    ...(claims.releaseKeys.some(({ x, y }) => x === releaseKey.x && y === releaseKey.y)
      ? []
      : ["its release key (--release-key)"]),
    ...(claims.messageUrls.includes(messageUrl) ? [] : [`its message URL ${messageUrl} (--message-url)`]),
  ];
}
