import { deregistration } from "@sealpost/protocol/exchanges/deregistration.ts";
import { openReceipt } from "@sealpost/protocol/documents/receipt.ts";
import { TokenError, isTokenError } from "@sealpost/protocol/token/token-error.ts";

import { settleRow } from "./delivery/settle-row.ts";
import { storedThumbprints } from "./keys/device-keys.ts";
import type { KeyStore } from "./ports.ts";
import type { Enrolled } from "./state/state.ts";

/** A verified receipt ends the device: nothing of it stays but the receipt. */
export const settleDeregistration = settleRow(deregistration, async ({ receipt }, _request, { state, keys }) => {
  await verifyReceipt(receipt, state, keys);
  const { serviceId, credentialId, deviceId } = state;
  return () => ({ format: 1, phase: "deregistered", serviceId, credentialId, deviceId, receipt });
});

/**
 * By the keys that are there, whatever the state says of them: it may have been put back. The service may already have applied a renewal whose
 * reply never came; then the receipt names the candidate.
 */
async function verifyReceipt(receipt: string, state: Enrolled, keys: Pick<KeyStore, "load">): Promise<void> {
  let last: unknown = new TokenError("key-binding", "the key store is empty");
  for (const { signingKey, encryptionKey } of await storedThumbprints(keys)) {
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
