import { certificateKey } from "@sealpost/protocol/documents/x509.ts";
import type { TrustClaims } from "@sealpost/protocol/documents/trust.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { type SigningJwk } from "@sealpost/protocol/suites/suites.ts";

import { isoTime } from "./duration.ts";
import type { Output } from "./output.ts";
import { record } from "./table.ts";
import type { TrustDraft } from "./trust-claims.ts";

/** What a trust document states, as people read it: keys by their thumbprints. Version and time are of the document, not of what it states. */
async function membersOf(claims: TrustDraft, caKey: SigningJwk): Promise<{ readonly [member: string]: string }> {
  const prints = async (keys: readonly SigningJwk[]) => (await Promise.all(keys.map(thumbprint))).join(" ");
  return {
    service: claims.iss,
    root: await thumbprint(claims.root),
    standby: claims.standby ? await thumbprint(claims.standby) : "none",
    "issuing CA": await thumbprint(caKey),
    "key-set keys": await prints(claims.keySetKeys),
    "receipt keys": await prints(claims.receiptKeys),
    "release keys": await prints(claims.releaseKeys),
    "release threshold": `${claims.releaseThreshold} of ${claims.releaseKeys.length}`,
    "message URLs": claims.messageUrls.join(" "),
  };
}

export async function describeTrust(claims: TrustClaims): Promise<string> {
  const { service, ...members } = await membersOf(claims, await certificateKey(claims.issuingCa));
  return record({ service, version: claims.version, signed: isoTime(claims.iat), ...members });
}

/** A member that the next document states otherwise than the published one, which states nothing before the first. */
export type Difference = { readonly member: string; readonly published?: string; readonly next: string };

export async function differenceOf(
  previous: TrustClaims | undefined,
  next: TrustDraft,
  caKey: SigningJwk,
): Promise<readonly Difference[]> {
  const before = previous && (await membersOf(previous, await certificateKey(previous.issuingCa)));
  return Object.entries(await membersOf(next, caKey)).flatMap(([member, stated]): Difference[] => {
    const published = before?.[member];
    if (published === stated) return [];
    return [{ member, ...(published === undefined ? {} : { published }), next: stated }];
  });
}

/** A list has a line for each of its entries: those that stay stand beside themselves. */
export function differenceTable(
  { table }: Pick<Output, "table">,
  differences: readonly Difference[],
  versions: readonly [number, number],
): string {
  const rows = differences.flatMap(({ member, published = "-", next }) => {
    const before = entriesOf(member, published);
    const after = entriesOf(member, next);
    return Array.from({ length: Math.max(before.length, after.length) }, (_, index) => [
      index === 0 ? member : "",
      before[index] ?? "",
      after[index] ?? "",
    ]);
  });
  const [published, next] = versions;
  return table(["MEMBER", published === 0 ? "PUBLISHED" : `VERSION ${published}`, `VERSION ${next}`], rows);
}

function entriesOf(member: string, text: string): string[] {
  return member.endsWith("keys") || member.endsWith("URLs") ? text.split(" ") : [text];
}
