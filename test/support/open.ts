import type { PresentKeys } from "../../functions/custody/port.ts";
import { type VerifiedRequest, unsealRequest, verifyRequest } from "../../functions/receive/open.ts";
import type { MessagePorts } from "../../functions/receive/ports.ts";
import { readDevice } from "../../functions/registry/device.ts";

/** A request opened by all the checks that prove its sender, with the device as it is stored now. */
export async function openRequest(
  { serviceId, store, generation }: Pick<MessagePorts, "serviceId" | "store" | "generation">,
  keys: Pick<PresentKeys, "openers" | "lookAgain">,
  token: string,
): Promise<VerifiedRequest> {
  const unsealed = await unsealRequest(serviceId, keys, token);
  return verifyRequest(unsealed, await readDevice(store, unsealed.deviceId, generation));
}
