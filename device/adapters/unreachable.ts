import { DeviceError } from "../device-error.ts";

/** RFC 6761 §6.3: these names are this machine, whatever a resolver says. */
export function isLoopbackName(hostname: string): boolean {
  return hostname === "localhost" || hostname.endsWith(".localhost");
}

/** @param why the system's short code if there is one (`ECONNREFUSED`) */
export function unreachable({ origin, hostname }: URL, why: string, cause: unknown): DeviceError {
  const here = isLoopbackName(hostname) || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);
  const circumstance = here && why === "ECONNREFUSED" ? "nobody-on-this-machine" : undefined;
  return new DeviceError("unreachable", `${origin}, ${why}`, { cause, circumstance });
}
