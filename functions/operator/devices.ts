import { problem } from "@sealpost/protocol/messages/problems.ts";
import type { Device as DeviceView, DeviceDetail } from "@sealpost/protocol/operator/devices.ts";

import { type Device, devicePuts, readDevice } from "../registry/device.ts";
import { revocationPut } from "../registry/life.ts";
import { thumbprintsOf } from "../registry/key-ring.ts";
import { deviceTarget, journalPut } from "../registry/journal.ts";
import { type IdentityRecord, identityRecordSchema, parseRecord } from "../store/records.ts";
import { type Answer, type Call, type Decision, type Stamp, commit } from "./act.ts";
import type { OperatorPorts } from "./ports.ts";
import { listShards } from "./shards.ts";

export const unknownDevice = { problem: problem("not-found", { detail: "There is no device with this id." }) };

export async function listDevices(
  { query }: Call<"listDevices">,
  { store }: OperatorPorts,
): Promise<Answer<"listDevices">> {
  const { status, ...paging } = query;
  const page = await listShards(store, "devices", paging);
  if ("problem" in page) return page;
  const { items, ...rest } = page.value;
  const identities = items.map((item) => parseRecord(identityRecordSchema, item));
  const devices = identities.filter((identity) => status === undefined || identity.status === status).map(deviceView);
  return { reply: { devices, ...rest } };
}

export async function showDevice(
  { path }: Call<"showDevice">,
  { store, generation }: OperatorPorts,
): Promise<Answer<"showDevice">> {
  const device = await readDevice(store, path.deviceId, generation);
  return device ? { reply: { device: await deviceDetail(device) } } : unknownDevice;
}

export async function revokeDevice(
  call: Call<"revokeDevice">,
  { store, generation }: OperatorPorts,
): Promise<Answer<"revokeDevice">> {
  const decide = async () => {
    const device = await readDevice(store, call.path.deviceId, generation);
    return device ? decideRevocation(device, generation, call) : unknownDevice;
  };
  const said = await commit(store, decide);
  return "problem" in said ? said : commit(store, decide);
}

/**
 * The next step of a revocation; no puts: it is complete. Revocation is final, and the journal keeps what a restore from before it needs to
 * refuse the device again (delivery rule 12).
 *
 * The first step says so in an item of its own, which no message writes. From then on every reader knows, and every writer writes it. The second
 * writes it to the device, so that nothing that was read before can still take effect. However much the device says, the second step loses at
 * most two races: one to a message read before the first step, and one to a message read after, which has then written `revoked` itself.
 */
export function decideRevocation(
  device: Device,
  generation: number,
  { actor, now, unique }: Stamp,
): Decision<"revokeDevice"> {
  const { identity } = device;
  switch (device.status) {
    case "revoked":
      return {
        reply: { device: deviceView({ ...identity, status: "revoked" }) },
        puts: isWritten(device) ? [] : devicePuts(device, device, generation, { events: [], actor, time: now }),
      };
    case "deregistered":
      return {
        problem: problem("conflict", {
          detail: "The device has de-registered and can send nothing more; there is nothing to revoke.",
        }),
      };
    case "provisioned":
    case "registered": {
      const entry = {
        target: deviceTarget(identity.deviceId),
        action: "device.revoked",
        actor,
        time: now,
        detail: {
          serialNumber: identity.serialNumber,
          credentialId: identity.credentialId,
          keys: identity.keys,
          certificate: identity.certificate,
        },
      } as const;
      return {
        reply: { device: deviceView({ ...identity, status: "revoked" }) },
        puts: [revocationPut(identity.deviceId), journalPut(entry, unique)],
      };
    }
  }
}

/** Revoked in its own items, too, and its commands with it. */
function isWritten({ stored, closing }: Device): boolean {
  return stored.window?.status === "revoked" && closing === undefined;
}

function deviceView(identity: IdentityRecord): DeviceView {
  const { deviceId, status, serialNumber, credentialId, created, registration, update } = identity;
  return {
    deviceId,
    status,
    serialNumber,
    credentialId,
    created,
    ...(registration ? { registration } : {}),
    ...(update ? { update } : {}),
  };
}

async function deviceDetail({ identity, status, window, lastSeen }: Device): Promise<DeviceDetail> {
  const { keys, certificate, receipt } = identity;
  return {
    ...deviceView({ ...identity, status }),
    ...thumbprintsOf(keys),
    certificate,
    ...(receipt === undefined ? {} : { receipt }),
    window: { ack: window.ack, high: window.high, ...(lastSeen === undefined ? {} : { lastSeen }) },
  };
}
