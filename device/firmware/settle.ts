import { openManifest } from "@sealpost/protocol/documents/manifest.ts";
import {
  firmwareCheckBodySchema,
  firmwareCheckOperation,
  firmwareCheckReplySchema,
  firmwareReportBodySchema,
  firmwareReportOperation,
  firmwareReportReplySchema,
  type ManifestClaims,
} from "@sealpost/protocol/exchanges/firmware.ts";

import { settleRow } from "../delivery/settle-row.ts";
import type { Update } from "../state/state.ts";
import { judgeManifest } from "./offer.ts";

export const firmwareCheck = {
  operation: firmwareCheckOperation,
  request: firmwareCheckBodySchema,
  reply: firmwareCheckReplySchema,
} as const;

export const firmwareReport = {
  operation: firmwareReportOperation,
  request: firmwareReportBodySchema,
  reply: firmwareReportReplySchema,
} as const;

export const settleFirmwareCheck = settleRow(firmwareCheck, async ({ offer }, _request, { state, now }) => {
  if (!offer) return (before) => ({ ...before, update: isBootable(before.update) ? before.update : null });
  const manifest = await openManifest(offer.manifest, state.trust);
  judgeManifest(manifest, state.profile, now);
  const fresh = { stage: "offered", manifest, contentKey: offer.contentKey } as const;
  return (before) => ({ ...before, update: isSame(before.update, manifest) ? before.update : fresh });
});

export const settleFirmwareReport = settleRow(firmwareReport, async () => (state) => state);

/** Nothing newer is on offer: what the bootloader is about to try stays, anything else was withdrawn. */
function isBootable(update: Update | null): boolean {
  return update?.stage === "bootable";
}

/** The offer names what is under way already: that goes on where it is. */
function isSame(update: Update | null, { object }: ManifestClaims): boolean {
  return update !== null && update.stage !== "offered" && update.manifest.object === object;
}
