import type { KMSClient } from "@aws-sdk/client-kms";

import { kmsServerKeys } from "./kms.ts";
import type { ServerKeys } from "./port.ts";

/** The message keys of this deployment: one custody for the function that uses them and for the one that lists them. */
export function serverKeys(
  kms: KMSClient,
  environment: { readonly MESSAGE_SIGNING_KEY: string; readonly MESSAGE_DECRYPTION_KEY: string },
): ServerKeys {
  return kmsServerKeys(kms, {
    signing: environment.MESSAGE_SIGNING_KEY,
    decryption: environment.MESSAGE_DECRYPTION_KEY,
  });
}
