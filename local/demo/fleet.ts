import { randomBytes } from "node:crypto";

import { secretHash } from "@sealpost/protocol/bootstrap.ts";

import {
  Device,
  fetchMessageTransport,
  memoryFirmwareSlots,
  memoryKeyStore,
  memoryReadingSpool,
  memoryStateStore,
} from "../../device/index.ts";
import { httpsBootstrapTransport } from "../../device/node.ts";
import { openService } from "../../operator/service.ts";
import { readStack } from "../../operator/stack.ts";
import type { LocalStack } from "../stack-file.ts";
import { startCollector } from "./collector.ts";

/** A device of the fleet, and what it measured, by which its readings are found again. */
type Member = { readonly device: Device; readonly deviceId: string; readonly values: readonly number[] };
export type Fleet = readonly Member[];

/** As many as make a full batch of the relay. */
const size = 50;
/** Each is a message of every device. */
const rounds = 4;
/** How many are enrolled at once: what two cores of the emulator do side by side. */
const lanes = 4;
const stream = "water-supply-fleet";
const maxWaitSeconds = 60;

/** A fleet that is enrolled, and the relay with its mailboxes. */
export async function gatherFleet(running: EnrolsAt, store: string) {
  // Long enough for all of them to come, however slow the machine: a full batch waits for nobody.
  const relay = await startCollector(running.stack.messageUrl, store, 5);
  try {
    return { fleet: await enrolFleet(running, relay.url), close: relay.close };
  } catch (error) {
    await relay.close();
    throw error;
  }
}

type EnrolsAt = { readonly stack: LocalStack; readonly stackFile: string };

/**
 * Enrols and registers the devices for real: each spends a credential over a TLS connection of its own, and then knows one mailbox at the relay.
 * @param relay base URL of the relay
 */
async function enrolFleet({ stack, stackFile }: EnrolsAt, relay: string): Promise<Fleet> {
  const service = openService(readStack(stackFile));
  const enrol = async (index: number): Promise<Member> => {
    const serialNumber = `SN-FLEET-${String(index).padStart(4, "0")}`;
    const secret = randomBytes(32).toString("base64url");
    const { credential, serviceId, roots } = await service.ask("createCredential", {
      request: { serialNumber, secretHash: await secretHash(secret) },
    });
    const device = await Device.bootstrap({
      credentialPackage: {
        ...{ type: "sealpost-credential", version: 1, serviceId, credentialId: credential.credentialId, secret, roots },
        ...{ bootstrapUrl: stack.bootstrapUrl, ca: stack.ca },
      },
      ports: {
        keys: memoryKeyStore(),
        state: memoryStateStore(),
        messages: fetchMessageTransport(),
        slots: memoryFirmwareSlots({ version: "1.0.0", counter: 0 }),
        readings: memoryReadingSpool(),
        bootstrap: httpsBootstrapTransport(),
      },
      options: { via: `${relay}/box/device-${index}`, maxWaitSeconds },
    });
    const values = Array.from({ length: rounds }, () => Math.round(Math.random() * 1e12) / 1e6);
    return { device, deviceId: device.status().deviceId ?? "", values };
  };
  const waiting = Array.from({ length: size }, (_, index) => index);
  const fleet: Member[] = [];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) fleet.push(await enrol(next));
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return fleet;
}

/** Each says what it is, in a batch with all others. */
export async function registerFleet(fleet: Fleet): Promise<void> {
  const profile = { model: "fleet-meter", hardware: "r1", firmware: { version: "1.0.0", counter: 0 } };
  await Promise.all(fleet.map(async ({ device }) => device.register(profile)));
}

/**
 * Every device puts its readings into its mailbox, one after another, and takes the authentic reply to each before the next.
 * @returns how many replies the devices accepted
 */
export async function sendReadings(fleet: Fleet): Promise<number> {
  let accepted = 0;
  for (let round = 0; round < rounds; round += 1) {
    const sent = await Promise.all(
      fleet.map(async ({ device, values }) => {
        await device.send(stream, [{ name: "volume", unit: "m3", value: values[round] ?? 0 }]);
        return (await device.flushReadings()).sent;
      }),
    );
    accepted += sent.reduce((sum, records) => sum + records, 0);
  }
  return accepted;
}

/** How many readings a whole fleet sends. */
export function sentBy(fleet: Fleet): number {
  return fleet.length * rounds;
}

/** Of all readings of the fleet, those that are among the published ones. */
export function countFound(fleet: Fleet, readingsOf: (deviceId: string) => readonly string[]): number {
  return fleet
    .map(({ deviceId, values }) => {
      const texts = readingsOf(deviceId);
      return values.filter((value) => texts.some((text) => text.includes(`"value":${value}`))).length;
    })
    .reduce((sum, found) => sum + found, 0);
}
