import * as z from "zod/mini";

import { base64url256, thumbprintSchema } from "../token/keys.ts";
import { type Act, idPrefixSchema, idSchema, seconds } from "./act.ts";
import { nextCursor, pageQuery } from "./paging.ts";

/** How long a credential may be used, in seconds. */
export const validSeconds = { least: 60, usual: 604_800, most: 34_560_000 } as const;

/** 1 to 64 printable ASCII characters with no space at either end: it is printed on labels and in tables. */
export const serialNumberSchema = z.string().check(z.regex(/^[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?$/));

const createCredentialRequestSchema = z.strictObject({
  serialNumber: serialNumberSchema,
  validSeconds: z.optional(z.int().check(z.minimum(validSeconds.least), z.maximum(validSeconds.most))),
  /** SHA-256 of the secret's text, base64url. The secret itself is made by the operator's machine and never sent here. */
  secretHash: base64url256,
});
export type CreateCredentialRequest = z.infer<typeof createCredentialRequestSchema>;

/** What is known of a credential and never changes. */
export const credentialMembers = {
  credentialId: idSchema,
  serialNumber: z.string(),
  created: seconds,
  /** IAM ARN. */
  createdBy: z.string(),
  validUntil: seconds,
  /** The device that spent it. */
  deviceId: z.optional(idSchema),
};

export const credentialSchema = z.object({
  ...credentialMembers,
  /** `expired`: issued, and past `validUntil`. */
  status: z.enum(["issued", "expired", "spent", "revoked"]),
});
export type Credential = z.infer<typeof credentialSchema>;

export const credentialActs = {
  listCredentials: {
    method: "GET",
    path: "/operator/credentials",
    duties: ["reading", "enrolling", "revoking"],
    query: z.strictObject({ ...pageQuery, id: z.optional(idPrefixSchema) }),
    reply: z.object({ credentials: z.array(credentialSchema), cursor: nextCursor }),
  },
  createCredential: {
    method: "POST",
    path: "/operator/credentials",
    duties: ["enrolling"],
    request: createCredentialRequestSchema,
    reply: z.object({
      credential: credentialSchema,
      serviceId: z.string(),
      /** What the credential package pins: thumbprints of the root, then of the standby if there is one. */
      roots: z.array(thumbprintSchema).check(z.minLength(1), z.maxLength(2)),
    }),
  },
  revokeCredential: {
    method: "POST",
    path: "/operator/credentials/{credentialId}/revoke",
    duties: ["revoking", "enrolling"],
    reply: z.object({ credential: credentialSchema }),
  },
} as const satisfies Record<string, Act>;
