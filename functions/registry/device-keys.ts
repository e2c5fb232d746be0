import { type Thumbprint, thumbprint } from "@sealpost/protocol/token/keys.ts";

import type { DeviceKeys } from "../store/records.ts";

export type KeyThumbprints = { readonly [role in keyof DeviceKeys]: Thumbprint };

export async function thumbprintsOf({ signingKey, encryptionKey }: DeviceKeys): Promise<KeyThumbprints> {
  return { signingKey: await thumbprint(signingKey), encryptionKey: await thumbprint(encryptionKey) };
}

/** Both the same, each in its role. */
export function areSame(a: KeyThumbprints, b: KeyThumbprints): boolean {
  return a.signingKey === b.signingKey && a.encryptionKey === b.encryptionKey;
}
