import { openManifest } from "@sealpost/protocol/documents/manifest.ts";
import { type ManifestClaims, firmwareCheck, firmwareReport } from "@sealpost/protocol/exchanges/firmware.ts";

import { settleRow } from "../delivery/settle-row.ts";
import type { Enrolled, Update } from "../state/state.ts";
import { judgeManifest } from "./offer.ts";

export const settleFirmwareCheck = settleRow(firmwareCheck, async ({ offer }, { again }, { state, now }) => {
  if (!offer) return withdraw;
  if ("held" in offer) return (before) => before;
  const manifest = await openManifest(offer.manifest, state.trust);
  judgeManifest(manifest, state.profile, now);
  if (!again && state.givenUp.includes(manifest.counter)) return withdraw;
  const fresh = { stage: "offered", manifest, contentKey: offer.contentKey } as const;
  return (before) => ({ ...before, update: isSame(before.update, manifest) ? before.update : fresh });
});

export const settleFirmwareReport = settleRow(firmwareReport, async () => (state) => state);

/** Nothing newer is on offer: what the bootloader is about to try stays, anything else was withdrawn. */
function withdraw(before: Enrolled): Enrolled {
  return before.update?.stage === "bootable" ? before : { ...before, update: null };
}

/** The offer names what is under way already: that goes on where it is. */
function isSame(update: Update | null, { object }: ManifestClaims): boolean {
  return update !== null && update.stage !== "offered" && update.manifest.object === object;
}
