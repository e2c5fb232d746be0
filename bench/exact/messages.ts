import { signManifest } from "@sealpost/protocol/documents/manifest.ts";
import type { ManifestClaims } from "@sealpost/protocol/exchanges/firmware.ts";
import type { RequestClaims } from "@sealpost/protocol/messages/request.ts";

import { serveExchanges } from "../../functions/exchanges/exchanges.ts";
import { decideRelease } from "../../functions/operator/releases.ts";
import { answerMessage, answerMessages } from "../../functions/receive/answer.ts";
import type { MessagePorts } from "../../functions/receive/ports.ts";
import { readCommands } from "../../functions/registry/command-items.ts";
import { releases } from "../../functions/releases/releases.ts";
import { itemBytes } from "../../functions/store/item-bytes.ts";
import { memoryStore } from "../../functions/store/memory-store.ts";
import { agreementKey } from "../../test/support/keys.ts";
import { type RawDevice, rawDevice, registration } from "../../test/support/raw-device.ts";
import { present, serviceId, startService } from "../../test/support/service.ts";
import { type Counts, countingKeys, countingSigner, countingStore, noCounts } from "./counting.ts";
import { type Kind, type KindName, kinds, publishedCounter, publishedModel } from "./kinds.ts";

const algorithms = { "RSA-OAEP-256": "rsa", "ECDH-ES+A256KW": "agreement" } as const;
type Algorithm = keyof typeof algorithms;

type Sizes = { readonly request: number; readonly reply: number };
type OfKind = {
  readonly bytes: Readonly<Record<Algorithm, Sizes>>;
  /** Of the item that every message reads and writes, behind this one. */
  readonly windowItemBytes: number;
  readonly single: Counts;
  /** All messages of the batch together, each of another device. */
  readonly batch: Counts;
};
export type MessageCounts = Readonly<Record<KindName, OfKind>>;

/** Messages of a batch. */
export const batchSize = 50;

/** Every kind of message, sealed and answered by a warm service. */
export async function countMessages(): Promise<MessageCounts> {
  const service = await startCountedService();
  const counted: [string, OfKind][] = [];
  for (const [name, kind] of Object.entries(kinds)) counted.push([name, await countKind(service, kind)]);
  return Object.fromEntries(counted) as MessageCounts;
}

type SpeakingDevice = { readonly device: RawDevice; sent: number };
type Service = Awaited<ReturnType<typeof startCountedService>>;

async function startCountedService() {
  let counts = noCounts();
  const present = () => counts;
  const service = await startService(countingStore(memoryStore(), present));
  const { store, messages, messageKeys, ca, receiptKey } = service;
  await publishRelease(service);
  const versions = await messages.documentVersions();
  const keys = countingKeys(messageKeys, present);
  const ports: MessagePorts = {
    ...messages,
    serverKeys: { at: async () => keys },
    // A warm function reads them once a minute.
    documentVersions: async () => versions,
    exchanges: serveExchanges({
      serviceId,
      commands: (deviceId, numbers) => readCommands(store, deviceId, numbers),
      releases: releases(store, async (wrapped) => Buffer.from(wrapped, "base64")),
      receiptSigner: async () => countingSigner(receiptKey, present),
      ca: async () => countingSigner(ca, present),
    }),
  };
  const counting = async (work: () => Promise<unknown>): Promise<Counts> => {
    const counted = noCounts();
    counts = counted;
    await work();
    // What comes behind it is counted elsewhere.
    counts = noCounts();
    return counted;
  };
  const devices = new Map<string, SpeakingDevice[]>();
  return { ...service, ports, counting, devices };
}

async function publishRelease({ store, releaseKey }: Awaited<ReturnType<typeof startService>>): Promise<void> {
  const claims: ManifestClaims = {
    iss: serviceId,
    iat: present,
    exp: present + 86_400,
    model: publishedModel,
    hardware: [registration.hardware],
    version: "2.0.0",
    counter: publishedCounter,
    size: 10_485_760,
    sha256: "A".repeat(43),
    recordBytes: 65_536,
    recordsSha256: "A".repeat(43),
    object: "A".repeat(22),
  };
  const manifest = await signManifest(claims, [releaseKey]);
  const act = { actor: "operator", now: present, unique: "bench" };
  const wrappedKey = Buffer.alloc(32, 1).toString("base64");
  const decided = decideRelease({ manifest, claims, wrappedKey }, [undefined], act);
  if (!("puts" in decided) || !(await store.write(decided.puts))) throw new Error("the release was not published");
}

async function countKind(service: Service, kind: Kind): Promise<OfKind> {
  // What a warm function remembers of releases it has read.
  await sizesOf(service, kind, "rsa");
  const bytes = {
    "RSA-OAEP-256": await sizesOf(service, kind, "rsa"),
    "ECDH-ES+A256KW": await sizesOf(service, kind, "agreement"),
  };
  const one = await readyDevice(service, kind);
  const { token } = await seal(one, kind, "rsa");
  const single = await service.counting(async () => mustSeal([await answerMessage(service.ports, token, present)]));
  const several = await devicesFor(service, kind);
  const tokens = await Promise.all(
    several.map(async (each) => (await seal(each.device, kind, "rsa", each.sent)).token),
  );
  for (const each of several) each.sent += 1;
  const batch = await service.counting(async () =>
    mustSeal(await answerMessages(service.ports, tokens, present, () => false)),
  );
  const [window] = await service.store.read([{ table: "devices", key: { deviceId: one.deviceId, item: "window" } }]);
  return { bytes, windowItemBytes: itemBytes(window ?? {}), single, batch };
}

/** The devices of a batch: registered once, and they send one kind after another. */
async function devicesFor({ devices, ...service }: Service, kind: Kind): Promise<SpeakingDevice[]> {
  const name = kind.operation === "register" ? "new" : kind.published ? "published" : "unpublished";
  const sent = kind.operation === "register" ? 0 : 1;
  const make = async () => ({ device: await readyDevice(service, kind), sent });
  const made = devices.get(name) ?? (await Promise.all(Array.from({ length: batchSize }, make)));
  devices.set(name, made);
  return made;
}

async function sizesOf(service: Service, kind: Kind, key: "rsa" | "agreement"): Promise<Sizes> {
  const device = await readyDevice(service, kind);
  const { token } = await seal(device, kind, key);
  const [reply = ""] = mustSeal([await answerMessage(service.ports, token, present)]);
  return { request: token.length, reply: reply.length };
}

/** A device that may send this kind next. */
async function readyDevice(service: Omit<Service, "devices">, kind: Kind): Promise<RawDevice> {
  const device = await rawDevice(service);
  if (kind.operation === "register") return device;
  const profile = { ...registration, ...(kind.published ? { model: publishedModel } : {}) };
  const { status } = await device.exchange(await device.claimsOf("register", profile, { seq: 1 }));
  if (status !== "ok") throw new Error(`registration: ${status}`);
  return device;
}

/** As the SDK does: with a reply key of its own, and acknowledging what came before. */
async function seal(
  device: RawDevice,
  kind: Kind,
  key: "rsa" | "agreement",
  sent = kind.operation === "register" ? 0 : 1,
) {
  const { jwk } = await agreementKey();
  const seq = sent + 1;
  const claims: Partial<RequestClaims> = { jti: "A".repeat(16), replyKey: { ...jwk, alg: "ECDH-ES" } };
  const body = await kind.body(device);
  return device.seal(await device.claimsOf(kind.operation, body, { seq, ack: seq - 1 }, { claims, key }), key);
}

function mustSeal(answers: readonly (Awaited<ReturnType<typeof answerMessage>> | undefined)[]): string[] {
  return answers.map((answered) => {
    if (answered?.kind !== "sealed" || answered.log["outcome"] !== "ok")
      throw new Error(`answered ${JSON.stringify(answered?.log)}`);
    return answered.token;
  });
}
