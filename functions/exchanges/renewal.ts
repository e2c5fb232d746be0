import { issueDeviceCertificate, openCertificateRequest } from "@sealpost/protocol/certificate.ts";
import { renewalBodySchema } from "@sealpost/protocol/exchanges/renewal.ts";
import { type EcPublicJwk, thumbprint } from "@sealpost/protocol/keys.ts";
import type { Refusal } from "@sealpost/protocol/refusals.ts";
import { isTokenError } from "@sealpost/protocol/token-error.ts";

import type { DeviceKeys } from "../store/records.ts";
import { exchange } from "./exchange.ts";

type Proven = { readonly refusal: Refusal } | { readonly keys: DeviceKeys };

/**
 * The device's two keys are replaced. The keys that signed the request stay valid until a message arrives under the new ones, since the device
 * may never see the reply (delivery rules 10 and 11).
 */
export const renewal = exchange({
  statuses: ["provisioned", "registered"],
  body: renewalBodySchema,
  gather: async ({ csr, encryptionKey }, { device, seq, now }, { serviceId, ca }) => {
    const { deviceId, renewalSeq, certificate, keys: present } = device.identity;
    const proven = await proveKeys(csr, encryptionKey, deviceId);
    if ("refusal" in proven) return proven;
    const reused = await reusedKeys(proven.keys, present);
    if (reused === 2) return { facts: { ...proven, certificate, already: true } };
    if (reused === 1) return { refusal: { code: "invalid-proof", field: "body" } };
    if (seq <= renewalSeq) return { refusal: { code: "superseded" } };
    const issued = await issueDeviceCertificate({
      serviceId,
      deviceId,
      ...proven.keys,
      ca: ca.signer,
      caKey: ca.key,
      now: new Date(now * 1000),
    });
    return { facts: { ...proven, certificate: issued, already: false } };
  },
  decide: (_, { device: { identity }, keys: signedBy, seq }, { keys, certificate, already }) => {
    const result = { certificate };
    if (already) return { effect: { result } };
    return {
      effect: {
        result,
        device: { identity: { ...identity, keys, certificate, previousKeys: signedBy, renewalSeq: seq } },
        journal: { action: "device.renewed", detail: { keys, previousKeys: signedBy, certificate, seq } },
      },
    };
  },
});

async function proveKeys(csr: string, encryptionKey: EcPublicJwk, deviceId: string): Promise<Proven> {
  try {
    const signingKey = await openCertificateRequest(csr, { encryptionKey, id: deviceId });
    return { keys: { signingKey, encryptionKey } };
  } catch (error) {
    if (!isTokenError(error)) throw error;
    return { refusal: { code: "invalid-proof", field: "body.csr" } };
  }
}

/** How many of the proven keys the device has already: both if it asks again, none if it renews. */
async function reusedKeys(proven: DeviceKeys, present: DeviceKeys): Promise<number> {
  const asked = await Promise.all([proven.signingKey, proven.encryptionKey].map(thumbprint));
  const known = await Promise.all([present.signingKey, present.encryptionKey].map(thumbprint));
  return asked.filter((print) => known.includes(print)).length;
}
