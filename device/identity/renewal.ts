import { renewal } from "@sealpost/protocol/exchanges/renewal.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { TokenError } from "@sealpost/protocol/token/token-error.ts";

import { settleRow } from "../delivery/settle-row.ts";
import { storedThumbprints } from "../keys/device-keys.ts";
import { verifyDeviceCertificate } from "./device-certificate.ts";

/**
 * The keys that the request named are certified: a candidate, which `alignKeys` promotes once that is durable, or the present ones, where the
 * state was put back from before their renewal.
 */
export const settleRenewal = settleRow(renewal, async ({ certificate }, { encryptionKey }, { state, keys }) => {
  const named = await thumbprint(encryptionKey);
  const own = (await storedThumbprints(keys)).find((stored) => stored.encryptionKey === named);
  if (!own) throw new TokenError("key-binding", "the keys that were to be certified are gone");
  const { trust, deviceId } = state;
  await verifyDeviceCertificate(certificate, trust.issuingCa, { ...own, deviceId });
  return (before) => ({ ...before, certificate, ...own });
});
