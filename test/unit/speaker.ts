import { randomUUID } from "node:crypto";

import { CompactEncrypt } from "jose";

import { type Signer, signJws, tokenDigest, tokenTypes } from "@sealpost/protocol/token/jws.ts";
import { importPublicKey, thumbprint } from "@sealpost/protocol/token/keys.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import { type Reply, openReply } from "@sealpost/protocol/messages/reply.ts";

import { certificateRequest } from "../../device/identity/certificate-request.ts";
import { type Answered, answerMessage } from "../../functions/receive/answer.ts";
import type { MessagePorts } from "../../functions/receive/ports.ts";
import { readDevice } from "../../functions/registry/device.ts";
import { decideRevocation } from "../../functions/operator/devices.ts";
import type { Item, Put } from "../../functions/store/port.ts";
import { type AgreementKey, type SigningKey, agreementKey, signingKey } from "../support/keys.ts";
import { type TestService, present, serviceId } from "../support/service.ts";

export type SpeakerKeys = { readonly signing: SigningKey; readonly encryption: AgreementKey };
export type Claims = { readonly [member: string]: unknown };
type Place = { readonly seq: number; readonly ack?: number };

export async function newKeys(): Promise<SpeakerKeys> {
  return { signing: await signingKey(), encryption: await agreementKey() };
}

/** Speaks for a device under the keys that it is given, and says whatever it is told to, well formed or not. */
export async function speaker(service: TestService, deviceId: string, keys: SpeakerKeys) {
  const { signing, encryption } = keys;
  const replyKey = await thumbprint(encryption.jwk);

  const claims = (operation: string, body: object, place: Place, more: Claims = {}): Claims => ({
    iss: deviceId,
    aud: serviceId,
    iat: present,
    exp: present + 3_600,
    jti: randomUUID(),
    ack: place.seq - 1,
    ...place,
    serverKey: service.serverKeys.agreement.kid,
    replyKey,
    operation,
    body,
    ...more,
  });

  const seal = async (sent: Claims, signer: Signer = signing) => {
    const jws = await signJws(tokenTypes.request, sent, signer, limits.padding.request);
    return { jws, token: await encrypt(service, jws) };
  };

  const answer = async (
    sent: Claims,
    { now = present, ports = service.messages }: Circumstances = {},
  ): Promise<Answered> => answerMessage(ports, (await seal(sent)).token, now);

  const open = async (token: string, jws: string, key: AgreementKey = encryption): Promise<Reply> =>
    openReply(token, key.pair.privateKey, service.keySet.signingKeys, {
      request: await tokenDigest(jws),
    });

  /** Seals, sends, and opens the reply; a problem is an error that names its reason. */
  const exchange = async (
    sent: Claims,
    { now = present, ports = service.messages }: Circumstances = {},
    key = encryption,
  ) => {
    const { token, jws } = await seal(sent);
    const answered = await answerMessage(ports, token, now);
    if (answered.kind === "problem") throw new Error(`problem: ${JSON.stringify(answered.log)}`);
    return open(answered.token, jws, key);
  };

  /** Body of a renewal to these keys. */
  const renewal = async ({ signing: next, encryption: nextEncryption }: SpeakerKeys, id: string = deviceId) =>
    certificateRequest({ signing: next.pair, encryption: nextEncryption.pair }, id);

  return { deviceId, keys, claims, seal, answer, open, exchange, renewal };
}

export type Speaker = Awaited<ReturnType<typeof speaker>>;
export type Circumstances = { readonly now?: number; readonly ports?: MessagePorts };

/** Encrypts text to the service's agreement key with exactly the header of a request, and whatever else it is given. */
export async function encrypt(service: TestService, plaintext: string | Uint8Array): Promise<string> {
  const { kid, alg, jwk } = service.serverKeys.agreement;
  const bytes = typeof plaintext === "string" ? new TextEncoder().encode(plaintext) : plaintext;
  return new CompactEncrypt(bytes)
    .setProtectedHeader({ alg, enc: "A256GCM", kid, cty: "JWT" })
    .encrypt(await importPublicKey(jwk, alg));
}

export async function stored({ store, messages }: TestService, deviceId: string) {
  const device = await readDevice(store, deviceId, messages.generation);
  if (!device) throw new Error("no such device");
  return device;
}

/** The service's ports, and every write that goes through them. */
export function recordedWrites({ messages, store }: TestService) {
  const writes: (readonly Put[])[] = [];
  const ports: MessagePorts = {
    ...messages,
    store: {
      read: store.read.bind(store),
      write: async (puts) => {
        writes.push(puts);
        return store.write(puts);
      },
    },
  };
  return { writes, ports };
}

/** Revokes as the operator API does. */
export async function revoke(service: TestService, deviceId: string, now: number = present): Promise<void> {
  const act = { actor: "arn:aws:iam::123456789012:user/operator", now, unique: randomUUID() };
  const { generation } = service.messages;
  for (let step = 0; step < 2; step += 1) {
    const decision = decideRevocation(await stored(service, deviceId), generation, act);
    if (!("puts" in decision) || !(await service.store.write(decision.puts))) throw new Error("not revoked");
  }
}

/** The device's items as they lie in the table, whatever the journal says. */
export async function itemsOf({ store }: Pick<TestService, "store">, deviceId: string): Promise<Item[]> {
  const keys = ["identity", "window"].map((item) => ({ table: "devices", key: { deviceId, item } }) as const);
  return (await store.read(keys)).filter((item) => item !== undefined);
}

/** What the journal says of a device, in the order of the store. */
export async function journalOf(service: TestService, deviceId: string) {
  const { items } = await service.store.list({
    table: "journal",
    partition: ["target", `device#${deviceId}`],
    limit: 1_000,
  });
  return items;
}

export async function actionsOf(service: TestService, deviceId: string): Promise<string[]> {
  return (await journalOf(service, deviceId)).map((item) => String(item["action"]));
}

/** Everything of a device that no restore takes back. */
export async function unforgotten(service: TestService, deviceId: string): Promise<Item[]> {
  const { items } = await service.store.list({
    table: "journal",
    partition: ["target", `life#${deviceId}`],
    limit: 10,
  });
  return [...(await journalOf(service, deviceId)), ...items];
}
