import { firmwareCheck as exchange } from "@sealpost/protocol/exchanges/firmware.ts";
import { encodeBase64url } from "@sealpost/protocol/token/strict.ts";
import * as z from "zod/mini";

import type { Device } from "../registry/device.ts";
import { newestValid, targetOf } from "../releases/offers.ts";
import type { Releases } from "../releases/releases.ts";
import { Fault } from "../fault/fault.ts";
import { serve } from "./exchange.ts";

/**
 * What is stored of an offer: which release, since the device may be registered as something else when it repeats the question. The manifest is
 * in the release, and a content key is never at rest in the clear.
 */
const resultSchema = z.object({
  offered: z.optional(z.object({ target: z.string(), counter: z.int() })),
  held: z.optional(z.literal(true)),
});

/**
 * Figure 6, first step: the newest valid release for the device's model and hardware, if it is newer than what runs. One that was given up here
 * is no offer until somebody asks for it; an older one does not take its place, since who published the newer one meant to replace it.
 */
export const firmwareCheck = ({ releases }: { readonly releases: Releases }) =>
  serve(exchange, {
    runsIn: { provisioned: false, registered: true },
    acts: 0,
    result: resultSchema,
    gather: async (_, { device }) => ({ facts: await releases.offers(releaseTarget(device)) }),
    decide: ({ firmware, held, again = false }, { device, now }, published) => {
      const { counter } = newestValid(published?.offers ?? [], now) ?? { counter: 0 };
      const isHeld = counter === held;
      const isGivenUp = !isHeld && !again && device.identity.givenUp?.includes(counter);
      if (counter <= firmware.counter || isGivenUp) return { effect: { result: {} } };
      return {
        effect: { result: isHeld ? { held: true as const } : { offered: { target: releaseTarget(device), counter } } },
      };
    },
    reply: async ({ offered, held }) => {
      if (held) return { offer: { held } };
      if (offered === undefined) return { offer: null };
      const release = await releases.get(offered.target, offered.counter);
      if (!release) throw new Fault("unavailable", "an offered release is no longer stored");
      const contentKey = encodeBase64url(await releases.contentKey(release));
      return { offer: { manifest: release.manifest, contentKey } };
    },
  });

/** Partition of the releases table that a registered device is offered from. */
export function releaseTarget({ identity: { registration } }: Device): string {
  if (!registration) throw new Fault("unavailable", "a registered device has no registration");
  return targetOf(registration.model, registration.hardware);
}
