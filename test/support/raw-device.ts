import { randomUUID } from "node:crypto";

import { tokenDigest } from "@sealpost/protocol/token/jws.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { type Reply, openReply } from "@sealpost/protocol/messages/reply.ts";
import { type RequestClaims, sealRequest } from "@sealpost/protocol/messages/request.ts";

import { answerMessage } from "../../functions/receive/answer.ts";
import { devicePuts, newDevice } from "../../functions/registry/device.ts";
import { agreementKey, signingKey } from "./keys.ts";
import { type TestService, present, serviceId } from "./service.ts";

/** What a device did to make a message, with one thing varied. */
export type Variation = { readonly claims?: Partial<RequestClaims> & object; readonly key?: "rsa" | "agreement" };

/** A device that is certified and nothing more: it seals what it is told to and believes only what it can verify. */
export async function rawDevice(service: TestService, deviceId: string = randomUUID()) {
  const signer = await signingKey();
  const encryption = await agreementKey();
  const keys = { signingKey: signer.jwk, encryptionKey: encryption.jwk };
  const identity = { deviceId, serialNumber: "SN-1", credentialId: randomUUID(), keys, certificate: "AAAA" };
  const device = newDevice({ ...identity, created: present });
  const { deviceId: _, ...detail } = identity;
  const certified = { action: "device.certified", detail } as const;
  await service.store.write(devicePuts(device, device, 1, { events: [certified], actor: "test", time: present }));

  const claimsOf = async (
    operation: string,
    body: RequestClaims["body"],
    place: { seq: number; ack?: number },
    { claims = {}, key = "rsa" }: Variation = {},
  ): Promise<RequestClaims> => ({
    iss: deviceId,
    aud: serviceId,
    iat: present,
    exp: present + 3_600,
    jti: randomUUID(),
    ack: 0,
    ...place,
    serverKey: service.serverKeys[key].kid,
    replyKey: await thumbprint(encryption.jwk),
    operation,
    body,
    ...claims,
  });

  const seal = async (claims: RequestClaims, key: "rsa" | "agreement" = "rsa") =>
    sealRequest(claims, signer, service.serverKeys[key]);

  const open = async (token: string, jws: string): Promise<Reply> =>
    openReply(token, encryption.pair.privateKey, service.keySet.signingKeys, {
      request: await tokenDigest(jws),
    });

  /** Seals, sends, and opens the reply; throws if the answer is a problem. */
  const exchange = async (claims: RequestClaims, now: number = present, key: "rsa" | "agreement" = "rsa") => {
    const { token, jws } = await seal(claims, key);
    const answered = await answerMessage(service.messages, token, now);
    if (answered.kind === "problem") throw new Error(`problem ${JSON.stringify(answered.log)}`);
    return open(answered.token, jws);
  };

  return { deviceId, signer, encryption, keys, claimsOf, seal, open, exchange };
}

export type RawDevice = Awaited<ReturnType<typeof rawDevice>>;

export const registration = {
  model: "meter-1",
  hardware: "r1",
  firmware: { version: "1.0.0", counter: 1 },
  capabilities: [],
};
