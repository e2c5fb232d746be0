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
    if (await sameKeys(proven.keys, present)) return { facts: { ...proven, certificate, already: true } };
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

async function sameKeys(a: DeviceKeys, b: DeviceKeys): Promise<boolean> {
  const prints = await Promise.all([a.signingKey, b.signingKey, a.encryptionKey, b.encryptionKey].map(thumbprint));
  return prints[0] === prints[1] && prints[2] === prints[3];
}
