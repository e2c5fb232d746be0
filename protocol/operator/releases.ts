import * as z from "zod/mini";

import { coSignedSchema } from "../documents/co-signed.ts";
import { hardwareSchema, modelSchema } from "../exchanges/firmware.ts";
import { base64url256, thumbprintSchema } from "../token/keys.ts";
import { type Act, seconds } from "./act.ts";
import { nextCursor, pageQuery } from "./paging.ts";

/** What operators see of a manifest. */
export const releaseMembers = {
  counter: z.int(),
  version: z.string(),
  model: z.string(),
  hardware: z.array(z.string()),
  size: z.int(),
  sha256: base64url256,
  object: z.string(),
  exp: seconds,
};

/** When a release was withdrawn and by whom. */
export const withdrawalMembers = { at: seconds, by: z.string() };

export const releaseSchema = z.object({
  ...releaseMembers,
  /** ISO time. */
  published: z.string(),
  publishedBy: z.string(),
  /** Offered no more: since when, and who ended it. */
  withdrawn: z.optional(z.object(withdrawalMembers)),
});
export type Release = z.infer<typeof releaseSchema>;

export const releaseActs = {
  /** Newest first, of everything or of one model and hardware. */
  listReleases: {
    method: "GET",
    path: "/operator/releases",
    duties: ["releasing", "reading"],
    query: z.strictObject({ ...pageQuery, model: z.optional(modelSchema), hardware: z.optional(hardwareSchema) }),
    reply: z.object({
      releases: z.array(releaseSchema),
      cursor: nextCursor,
      /** Who must sign a manifest, by the published trust document; absent while there is none. */
      signing: z.optional(z.object({ keys: z.array(thumbprintSchema), threshold: z.int() })),
    }),
  },
  publishRelease: {
    method: "POST",
    path: "/operator/releases",
    duties: ["releasing"],
    request: z.strictObject({
      manifest: coSignedSchema,
      /** The content key, encrypted by the service's secrets key; base64. */
      wrappedKey: z.string().check(z.regex(/^[A-Za-z0-9+/]{40,1024}={0,2}$/)),
      /** Publish the same image and version as the newest again, under a new counter: devices flash it again. */
      again: z.optional(z.literal(true)),
    }),
    reply: z.object({ release: releaseSchema }),
  },
  /** It is offered no more, on any hardware that it is for. What a device has taken already stays there. */
  withdrawRelease: {
    method: "POST",
    path: "/operator/releases/withdraw",
    duties: ["releasing"],
    /** `hardware`: one of those that it is for. */
    request: z.strictObject({ model: modelSchema, hardware: hardwareSchema, counter: z.int().check(z.positive()) }),
    reply: z.object({ release: releaseSchema }),
  },
} as const satisfies Record<string, Act>;
