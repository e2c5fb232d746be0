import { createHash } from "node:crypto";

import canonicalize from "canonicalize";
import * as z from "zod/mini";

import { digestBytes } from "../registry/window-codec.ts";

const identified = z.looseObject({
  jti: z.optional(z.unknown()),
  operation: z.optional(z.unknown()),
  body: z.optional(z.unknown()),
});

/**
 * What identifies a message besides its seq: the leading bits of SHA-256 over the canonical JSON (RFC 8785) of `[jti, operation, body]`, hex.
 * Times, keys and padding may change when a message is sealed again; these may not.
 * @param raw the claims as parsed, valid or not
 */
export function messageDigest(raw: unknown): string {
  const { jti = null, operation = null, body = null } = identified.parse(raw);
  const text = canonicalize([jti, operation, body]);
  return createHash("sha256")
    .update(text ?? "")
    .digest("hex")
    .slice(0, digestBytes * 2);
}
