import { pageItems } from "@sealpost/protocol/operator/paging.ts";

import type { Service } from "./service.ts";

/** Devices are looked at, newest and oldest alike, until one is found: a fleet that has the model shows it at once. */
const mostPages = 20;

/**
 * Whether no registered device is of this model and hardware, as far as can be told by looking at some 2,000 of them.
 * @throws OperatorFault
 */
export async function nobodyHas(service: Service, model: string, hardware: readonly string[]): Promise<boolean> {
  let cursor: string | undefined;
  for (let page = 0; page < mostPages; page += 1) {
    const query = { status: "registered", limit: String(pageItems.most), cursor } as const;
    const { devices, cursor: next } = await service.ask("listDevices", { query });
    const found = devices.some(
      ({ registration }) => registration?.model === model && hardware.includes(registration.hardware),
    );
    if (found) return false;
    if (next === undefined) return true;
    cursor = next;
  }
  return false;
}
