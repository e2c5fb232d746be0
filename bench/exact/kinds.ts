import { certificateRequest } from "../../device/identity/certificate-request.ts";
import { type RawDevice, registration } from "../../test/support/raw-device.ts";
import { agreementKey, signingKey } from "../../test/support/keys.ts";
import { present } from "../../test/support/service.ts";

/** A kind of message that a fleet sends. */
export type Kind = {
  readonly operation: string;
  /** Whether a release is published for the device's model. */
  readonly published?: true;
  body(device: RawDevice): Promise<Record<string, unknown>> | Record<string, unknown>;
};

/** The model that a release is published for. */
export const publishedModel = "meter-2";
export const publishedCounter = 2;

export const kinds = {
  register: { operation: "register", body: () => registration },
  "check, nothing published": { operation: "firmware.check", body: check },
  "check, on offer": { operation: "firmware.check", published: true, body: check },
  report: {
    operation: "firmware.report",
    published: true,
    body: () => ({ counter: publishedCounter, state: "installed" }),
  },
  "readings, 1 record": { operation: "readings", body: () => readings(1) },
  "readings, 100 records": { operation: "readings", body: () => readings(100) },
  "commands.next, none waits": { operation: "commands.next", body: () => ({ handled: 0 }) },
  // The last one: behind it a device has other keys.
  renew: {
    operation: "renew",
    async body({ deviceId }) {
      const [signing, encryption] = await Promise.all([signingKey(), agreementKey()]);
      return certificateRequest({ signing: signing.pair, encryption: encryption.pair }, deviceId);
    },
  },
} as const satisfies Record<string, Kind>;
export type KindName = keyof typeof kinds;

function check() {
  return { firmware: registration.firmware };
}

function readings(count: number) {
  const records = Array.from({ length: count }, (_, n) => ({
    time: present - 60 * n,
    name: "active",
    unit: "Wh",
    sum: 12_345.678 + n,
  }));
  return { stream: "energy", records };
}
