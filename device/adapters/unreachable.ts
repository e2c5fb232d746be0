import { isLoopback } from "@sealpost/protocol/loopback.ts";

import { DeviceError } from "../device-error.ts";

/** @param why the system's short code if there is one (`ECONNREFUSED`) */
export function unreachable({ origin, hostname }: URL, why: string, cause: unknown): DeviceError {
  const circumstance = isLoopback(hostname) && why === "ECONNREFUSED" ? "nobody-on-this-machine" : undefined;
  return new DeviceError("unreachable", `${origin}, ${why}`, { cause, circumstance });
}
