import { renewal as exchange } from "@sealpost/protocol/exchanges/renewal.ts";
import type { EncryptionJwk } from "@sealpost/protocol/suites/suites.ts";
import type { StoredRefusal } from "@sealpost/protocol/messages/refusals.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";
import * as z from "zod/mini";

import type { SigningKeySource } from "../custody/port.ts";
import { noveltyOf, renewKeys } from "../registry/key-ring.ts";
import type { DeviceKeys } from "../store/records.ts";
import { serve } from "./exchange.ts";

/**
 * Which renewal made the keys that the message asked for; 0: the keys of the bootstrap. Their certificate is in the identity as long as they are
 * the present ones. A device that has moved on before it heard of them broke the rule of one candidate at a time, and gets no content.
 */
const resultSchema = z.object({ renewalSeq: z.int() });

/** `ca`: the issuing CA's key. */
type Ports = { readonly serviceId: string; readonly ca: SigningKeySource };

type Proven = { readonly refusal: StoredRefusal } | { readonly keys: DeviceKeys };

/**
 * The device's two keys are replaced. The keys that signed the request stay valid until a message arrives under the new ones, since the device
 * may never see the reply (delivery rules 10 and 11).
 */
export const renewal = ({ serviceId, ca }: Ports) =>
  serve(exchange, {
    runsIn: { provisioned: true, registered: true },
    acts: 8,
    result: resultSchema,
    gather: async ({ csr, encryptionKey }, { device, seq, now }) => {
      const { deviceId, renewalSeq } = device.identity;
      const proven = await proveKeys(csr, encryptionKey, deviceId);
      if ("refusal" in proven) return proven;
      const novelty = noveltyOf(proven.keys, device.identity);
      if (novelty === "present") return { facts: undefined };
      if (novelty === "reused") return { refusal: { code: "invalid-proof", field: "body" } };
      if (seq <= renewalSeq) return { refusal: { code: "superseded" } };
      const [{ issueDeviceCertificate }, signer] = await Promise.all([certificates(), ca()]);
      const certificate = await issueDeviceCertificate({
        serviceId,
        deviceId,
        ...proven.keys,
        ca: signer,
        caKey: signer.jwk,
        now: new Date(now * 1000),
      });
      return { facts: { ...proven, certificate } };
    },
    decide: (_, { device: { identity }, keys: signedBy, seq }, issued) => {
      if (!issued) return { effect: { result: { renewalSeq: identity.renewalSeq } } };
      const { keys, certificate } = issued;
      return {
        effect: {
          result: { renewalSeq: seq },
          device: { identity: renewKeys(identity, { keys, certificate, signedBy, seq }) },
          event: { action: "device.renewed", detail: { keys, previousKeys: signedBy, certificate, seq } },
        },
      };
    },
    reply: (result, { identity: { renewalSeq, certificate } }) =>
      result.renewalSeq === renewalSeq ? { certificate } : undefined,
  });

/** X.509 is a fifth of the function and a renewal is rare: no other message waits for it at a cold start. */
const certificates = () => import("@sealpost/protocol/documents/certificate.ts");

async function proveKeys(csr: string, encryptionKey: EncryptionJwk, deviceId: string): Promise<Proven> {
  try {
    const { openCertificateRequest } = await import("@sealpost/protocol/documents/certificate-request.ts");
    const signingKey = await openCertificateRequest(csr, { encryptionKey, id: deviceId });
    return { keys: { signingKey, encryptionKey } };
  } catch (error) {
    if (!isTokenError(error)) throw error;
    return { refusal: { code: "invalid-proof", field: "body.csr" } };
  }
}
