import { renewal } from "@sealpost/protocol/exchanges/renewal.ts";
import { TokenError } from "@sealpost/protocol/token/token-error.ts";

import { settleRow } from "../delivery/settle-row.ts";
import { thumbprints } from "../keys/device-keys.ts";
import { verifyDeviceCertificate } from "./device-certificate.ts";

/** The candidate is certified; `alignKeys` promotes it once that is durable. */
export const settleRenewal = settleRow(renewal, async ({ certificate }, _request, { state, keys }) => {
  const candidate = await keys.load("next");
  if (!candidate) throw new TokenError("key-binding", "the candidate keys are gone");
  const own = await thumbprints(candidate);
  const { trust, deviceId } = state;
  await verifyDeviceCertificate(certificate, trust.issuingCa, { ...own, deviceId });
  return (before) => ({ ...before, certificate, ...own });
});
