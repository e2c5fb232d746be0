import { randomUUID, timingSafeEqual } from "node:crypto";

import { type FirstTokenClaims, certificateAudience, secretHash } from "@sealpost/protocol/bootstrap.ts";
import { signJws, tokenTypes } from "@sealpost/protocol/token/jws.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import * as z from "zod/mini";

import { usableCredential } from "./credential.ts";
import type { BootstrapPorts } from "./ports.ts";

/** The errors of RFC 6749 §5.2 that this endpoint gives. */
export type TokenRefusal = {
  readonly error: "invalid_request" | "invalid_client" | "unsupported_grant_type";
  readonly reason: string;
};
export type TokenGrant = { readonly access_token: string; readonly token_type: "Bearer"; readonly expires_in: number };

/** OAuth 2.0 client credentials (RFC 6749 §4.4) with `client_secret_basic`: the one use of a credential on the wire. */
export async function grantFirstToken(
  ports: BootstrapPorts,
  request: { readonly authorization: string | undefined; readonly mediaType: string; readonly body: Uint8Array },
  now: number,
): Promise<{ readonly grant: TokenGrant; readonly credentialId: string } | { readonly refusal: TokenRefusal }> {
  const refuse = (error: TokenRefusal["error"], reason: string) => ({ refusal: { error, reason } });
  if (request.body.length > limits.bootstrapBytes) return refuse("invalid_request", "too-large");
  if (request.mediaType !== "application/x-www-form-urlencoded") return refuse("invalid_request", "content-type");
  const grantTypes = new URLSearchParams(new TextDecoder().decode(request.body)).getAll("grant_type");
  if (grantTypes.length !== 1) return refuse("invalid_request", "grant_type");
  if (grantTypes[0] !== "client_credentials") return refuse("unsupported_grant_type", "grant_type");

  const presented = parseBasic(request.authorization);
  if (!presented) return refuse("invalid_client", "authorization");
  const { credentialId, secret } = presented;
  const usable = await usableCredential(ports, credentialId, now);
  // An unknown credential costs the same comparison as a wrong secret.
  const expected = "credential" in usable ? usable.credential.secretHash : "";
  if (!(await matches(secret, expected)))
    return refuse("invalid_client", "defect" in usable ? usable.defect : "secret");

  const { serviceId, firstTokenSigner } = ports;
  const claims: FirstTokenClaims = {
    iss: serviceId,
    aud: certificateAudience(serviceId),
    sub: credentialId,
    client_id: credentialId,
    iat: now,
    exp: now + limits.firstTokenSeconds,
    jti: randomUUID(),
  };
  const access_token = await signJws(tokenTypes.firstToken, claims, await firstTokenSigner());
  return { grant: { access_token, token_type: "Bearer", expires_in: limits.firstTokenSeconds }, credentialId };
}

/** RFC 7617 with both parts form-encoded first (RFC 6749 §2.3.1). */
function parseBasic(authorization: string | undefined): { credentialId: string; secret: string } | undefined {
  const encoded = /^Basic ([A-Za-z0-9+/]+={0,2})$/i.exec(authorization ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const [id, secret, ...others] = Buffer.from(encoded, "base64").toString("utf8").split(":").map(formDecode);
  if (id === undefined || secret === undefined || others.length > 0) return undefined;
  const credentialId = z.uuid().safeParse(id);
  return credentialId.success ? { credentialId: credentialId.data, secret } : undefined;
}

function formDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return undefined;
  }
}

async function matches(secret: string, expectedHash: string): Promise<boolean> {
  const hash = Buffer.from(await secretHash(secret));
  const expected = Buffer.alloc(hash.length);
  expected.set(Buffer.from(expectedHash).subarray(0, hash.length));
  return timingSafeEqual(hash, expected) && expectedHash !== "";
}
