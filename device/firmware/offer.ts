import type { ManifestClaims } from "@sealpost/protocol/exchanges/firmware.ts";
import type { RegistrationBody } from "@sealpost/protocol/exchanges/registration.ts";

import { DeviceError } from "../device-error.ts";

/**
 * Whether a verified manifest suits this device: its model and hardware, newer than what runs, not expired.
 * @throws DeviceError `not-registered` · `firmware-rejected`
 */
export function judgeManifest(manifest: ManifestClaims, profile: RegistrationBody | null, now: number): void {
  if (!profile) throw new DeviceError("not-registered", "");
  const { model, hardware, counter, exp } = manifest;
  if (model !== profile.model) throw new DeviceError("firmware-rejected", `it is made for model ${model}`);
  if (!hardware.includes(profile.hardware)) {
    throw new DeviceError("firmware-rejected", `it is not made for hardware ${profile.hardware}`);
  }
  if (counter <= profile.firmware.counter) {
    const { counter: running } = profile.firmware;
    throw new DeviceError("firmware-rejected", `release ${counter} is not newer than the running ${running}`);
  }
  if (exp <= now) throw new DeviceError("firmware-rejected", `release ${counter} has expired`);
}
