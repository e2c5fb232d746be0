import { thumbprints } from "./device-keys.ts";
import type { KeyStore } from "../ports.ts";
import type { DeviceState } from "../state/state.ts";

/**
 * Brings the key store in line with the state, which is written first: a verified renewal promotes the candidate, a verified receipt destroys
 * everything. Runs after each such write and whenever a device is opened, so a crash in between changes nothing.
 */
export async function alignKeys(state: DeviceState | null, keys: KeyStore): Promise<void> {
  if (state?.phase === "deregistered") await keys.erase();
  if (state?.phase !== "enrolled") return;
  const candidate = await keys.load("next");
  if (candidate && (await thumbprints(candidate)).signingKey === state.signingKey) await keys.promote();
}
