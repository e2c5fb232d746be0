import { vi } from "vitest";

import { type AcceptedReadings, decodeReadings } from "../../../functions/registry/readings.ts";
import type { Bench } from "./bench.ts";

/** Records that the service accepts from now on, in order: the window item that one write leaves holds those of that write. */
export function acceptedReadings({ service: { store } }: Bench): readonly AcceptedReadings[] {
  const accepted: AcceptedReadings[] = [];
  const write = store.write.bind(store);
  vi.spyOn(store, "write").mockImplementation(async (puts) => {
    const done = await write(puts);
    for (const { item } of done ? puts : []) {
      if (item["readings"] instanceof Uint8Array) accepted.push(...decodeReadings(item["readings"]));
    }
    return done;
  });
  return accepted;
}
