import { type FirmwareState, firmwareReport as exchange } from "@sealpost/protocol/exchanges/firmware.ts";

import type { Releases } from "../releases/releases.ts";
import type { IdentityRecord } from "../store/records.ts";
import { serve } from "./exchange.ts";
import { releaseTarget } from "./firmware-check.ts";

/** States that end an update: a change of the device's life. The others are progress. */
const endings: ReadonlySet<FirmwareState> = new Set(["installed", "failed", "rolled-back"]);

/** Figure 6, later steps: the device says truthfully what became of a release. */
export const firmwareReport = ({ releases }: { readonly releases: Pick<Releases, "get"> }) =>
  serve(exchange, {
    runsIn: { provisioned: false, registered: true },
    acts: 1,
    result: exchange.reply,
    gather: async ({ counter }, { device }) => {
      const facts = await releases.get(releaseTarget(device), counter);
      return facts ? { facts } : { refusal: { code: "unknown-release" } };
    },
    decide: ({ counter, state, reason }, { device: { identity }, now, seq }, { release }) => {
      const told = { counter, state, ...(reason === undefined ? {} : { reason }) };
      const { registration, update: last } = identity;
      // Messages may overtake each other, and the last word of the device is the one with the highest seq.
      const isLate = last !== undefined && seq < last.seq;
      const installed = state === "installed" && registration && !(isLate && counter <= registration.firmware.counter);
      const firmware = { version: release.version, counter };
      return {
        effect: {
          result: {},
          device: {
            identity: {
              ...identity,
              update: isLate ? last : { ...told, at: now, seq },
              givenUp: givenUpAfter(identity.givenUp ?? [], told, isLate),
              ...(installed ? { registration: { ...registration, firmware } } : {}),
            },
          },
          ...(endings.has(state) ? { event: { action: "firmware.reported", detail: { ...told, at: now } } } : {}),
        },
      };
    },
    reply: (result) => result,
  });

/** Older ones are forgotten: what is published by then is newer. */
const remembered = 16;

function givenUpAfter(
  givenUp: NonNullable<IdentityRecord["givenUp"]>,
  { counter, state }: { readonly counter: number; readonly state: FirmwareState },
  isLate: boolean,
): number[] {
  const others = givenUp.filter((other) => other !== counter);
  if (state === "failed" || state === "rolled-back") {
    return [...others, counter].toSorted((a, b) => a - b).slice(-remembered);
  }
  // Taken again, on request; what is older than what runs is never offered.
  if (isLate || state === "verified") return givenUp;
  return state === "installed" ? others.filter((other) => other > counter) : others;
}
