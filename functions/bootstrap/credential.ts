import { readCredential } from "../registry/credential.ts";
import { readDevice } from "../registry/device.ts";
import type { CredentialRecord } from "../store/records.ts";
import type { BootstrapPorts } from "./ports.ts";

/** Why a credential does not serve; told to nobody, since all of them are `invalid_client` (RFC 6749 §5.2). */
export type CredentialDefect = "unknown" | "revoked" | "expired" | "used";

/**
 * Whether a credential may still obtain a certificate. One that is spent may fetch the same answer again, even after it expired, until the
 * device's first sealed message was accepted: then the exchange is known to have arrived.
 * @param now Unix seconds
 */
export async function usableCredential(
  { store, generation }: BootstrapPorts,
  credentialId: string,
  now: number,
): Promise<{ readonly credential: CredentialRecord } | { readonly defect: CredentialDefect }> {
  const credential = await readCredential(store, credentialId);
  if (!credential) return { defect: "unknown" };
  if (credential.status === "revoked") return { defect: "revoked" };
  if (credential.deviceId === undefined) return credential.validUntil > now ? { credential } : { defect: "expired" };
  const device = await readDevice(store, credential.deviceId, generation);
  return device?.status === "provisioned" && device.window.high === 0 ? { credential } : { defect: "used" };
}
