import { refusals } from "@sealpost/protocol/messages/refusals.ts";

import { DeviceError } from "../device-error.ts";

/** What became of a message, for good. */
export type Outcome =
  | { readonly kind: "done" }
  /** The service executed it, but its answer cannot be used here. */
  | { readonly kind: "unusable"; readonly error: DeviceError }
  | { readonly kind: "refused"; readonly code: string; readonly detail: string; readonly field: string | undefined }
  /** `conflict`: no effect, ever. */
  | { readonly kind: "not-delivered" }
  /** Not this message, but another with the same body is to be delivered. */
  | { readonly kind: "again"; readonly seq: number }
  | { readonly kind: "unknown"; readonly why: "below-window" | "revoked" | "gone" };

/** @throws DeviceError unless the message is done */
export function requireDone(outcome: Outcome): void {
  switch (outcome.kind) {
    case "done":
      return;
    case "again":
      throw new DeviceError("not-delivered", "another message goes out in its place");
    case "unusable":
      throw outcome.error;
    case "not-delivered":
      throw new DeviceError("not-delivered", "the service has another message under it");
    case "unknown":
      if (outcome.why === "below-window") throw new DeviceError("fate-unknown", refusals["below-window"].detail);
      throw new DeviceError(outcome.why, "what was on its way is reported as unknown");
    case "refused": {
      if (outcome.code === "not-registered") throw new DeviceError("not-registered", "");
      const where = outcome.field === undefined ? "" : ` (${outcome.field})`;
      throw new DeviceError("refused", `${outcome.code}${where}. ${outcome.detail}`);
    }
  }
}
