import { type FirmwareCheckReply, firmwareCheckBodySchema } from "@sealpost/protocol/exchanges/firmware.ts";
import { encodeBase64url } from "@sealpost/protocol/token/strict.ts";
import * as z from "zod/mini";

import type { Device } from "../registry/device.ts";
import { Fault } from "../lambda/fault.ts";
import { exchange } from "./exchange.ts";

/**
 * What is stored of an offer: which release, since the device may be registered as something else when it repeats the question. The manifest is
 * in the release, and a content key is never at rest in the clear.
 */
const resultSchema = z.object({ offered: z.optional(z.object({ target: z.string(), counter: z.int() })) });

/** Figure 6, first step: the newest release for the device's model and hardware, if it is newer than what runs and has not expired. */
export const firmwareCheck = exchange({
  statuses: ["registered"],
  body: firmwareCheckBodySchema,
  gather: async (_, { device }, { releases }) => ({ facts: await releases.newest(releaseTarget(device)) }),
  decide: ({ firmware }, { now }, newest) => {
    const offered = newest && newest.release.counter > firmware.counter && newest.release.exp > now;
    return {
      effect: { result: offered ? { offered: { target: newest.target, counter: newest.release.counter } } : {} },
    };
  },
  reply: async (result, _, { releases }): Promise<FirmwareCheckReply> => {
    const { offered } = resultSchema.parse(result);
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
  return `${registration.model}#${registration.hardware}`;
}
