import { deregistration } from "@sealpost/protocol/exchanges/deregistration.ts";
import { openReceipt } from "@sealpost/protocol/documents/receipt.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";

import { settleRow } from "./delivery/settle-row.ts";
import { type Thumbprints, thumbprints } from "./keys/device-keys.ts";
import type { KeyStore } from "./ports.ts";
import type { Enrolled } from "./state/state.ts";

/** A verified receipt ends the device: nothing of it stays but the receipt. */
export const settleDeregistration = settleRow(deregistration, async ({ receipt }, _request, { state, keys }) => {
  await verifyReceipt(receipt, state, keys);
  const { serviceId, credentialId, deviceId } = state;
  return () => ({ format: 1, phase: "deregistered", serviceId, credentialId, deviceId, receipt });
});

/** The service may already have applied a renewal whose reply never came: then the receipt names the candidate keys. */
async function verifyReceipt(receipt: string, state: Enrolled, keys: Pick<KeyStore, "load">): Promise<void> {
  const candidate = await keys.load("next");
  const named: Thumbprints[] = [state, ...(candidate ? [await thumbprints(candidate)] : [])];
  let last: unknown;
  for (const { signingKey, encryptionKey } of named) {
    try {
      await openReceipt(receipt, state.trust, { sub: state.deviceId, signingKey, encryptionKey });
      return;
    } catch (error) {
      if (!isTokenError(error) || error.code !== "key-binding") throw error;
      last = error;
    }
  }
  throw last;
}
