import { type FirmwareState, firmwareReportBodySchema } from "@sealpost/protocol/exchanges/firmware.ts";

import { exchange } from "./exchange.ts";
import { releaseTarget } from "./firmware-check.ts";

/** States that end an update: a change of the device's life. The others are progress. */
const endings: ReadonlySet<FirmwareState> = new Set(["installed", "failed", "rolled-back"]);

/** Figure 6, later steps: the device says truthfully what became of a release. */
export const firmwareReport = exchange({
  statuses: ["registered"],
  body: firmwareReportBodySchema,
  gather: async ({ counter }, { device }, { releases }) => {
    const facts = await releases.get(releaseTarget(device), counter);
    return facts ? { facts } : { refusal: { code: "unknown-release" } };
  },
  decide: ({ counter, state, reason }, { device: { identity }, now }, { release }) => {
    const update = { counter, state, ...(reason === undefined ? {} : { reason }), at: now };
    const { registration } = identity;
    const installed = state === "installed" && registration;
    const firmware = { version: release.version, counter };
    return {
      effect: {
        result: {},
        device: {
          identity: { ...identity, update, ...(installed ? { registration: { ...registration, firmware } } : {}) },
        },
        ...(endings.has(state) ? { journal: { action: "firmware.reported", detail: update } } : {}),
      },
    };
  },
});
