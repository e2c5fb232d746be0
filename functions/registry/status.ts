import type { StoredRefusalCode } from "@sealpost/protocol/messages/refusals.ts";

import type { DeviceStatus } from "../store/records.ts";

/** What a device is told that has ended, whatever it says; null: it lives. A status without a row does not compile. */
export const endings = {
  provisioned: null,
  registered: null,
  revoked: "revoked",
  deregistered: "gone",
} as const satisfies { readonly [S in DeviceStatus]: StoredRefusalCode | null };

/** Statuses in which exchanges run. */
export type LivingStatus = {
  [S in DeviceStatus]: (typeof endings)[S] extends null ? S : never;
}[DeviceStatus];

export function isLiving(status: DeviceStatus): status is LivingStatus {
  return endings[status] === null;
}
