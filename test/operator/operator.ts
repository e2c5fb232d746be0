import { randomUUID } from "node:crypto";

import { issueCaCertificate } from "@sealpost/protocol/documents/certificate.ts";
import type { TrustClaims } from "@sealpost/protocol/documents/trust.ts";
import type { Act } from "@sealpost/protocol/operator/act.ts";
import { acts, routeKeyOf } from "@sealpost/protocol/operator/acts.ts";

import { makeHandler } from "../../functions/operator/handler.ts";
import type { OperatorPorts } from "../../functions/operator/ports.ts";
import { type Device, devicePuts, newDevice } from "../../functions/registry/device.ts";
import { memoryStore } from "../../functions/store/memory-store.ts";
import type { Item, Put, Store } from "../../functions/store/port.ts";
import { type SigningKey, agreementKey, signingKey } from "../support/keys.ts";

export const serviceId = "sealpost-test";
export const actor = "arn:aws:iam::123456789012:user/olga";
/** The fixed present, Unix seconds: 2027-01-15T08:00:00Z. */
export const present = 1_800_000_000;

export type Answer = { readonly status: number; readonly type: unknown; readonly body: Record<string, unknown> };

/** The operator function over the memory store, called as API Gateway calls it. */
export function startOperator(store: Store = memoryStore(), generation = 1) {
  let now = present;
  const ports: OperatorPorts = { serviceId, generation, store, now: () => now, newId: () => randomUUID() };
  const handler = makeHandler(ports);
  const send = async (event: object): Promise<Answer> => {
    const { statusCode, headers, body } = await handler(event);
    return { status: statusCode ?? 0, type: headers?.["content-type"], body: JSON.parse(body ?? "null") };
  };
  return {
    store,
    send,
    get: (path: string, queryStringParameters?: Record<string, string>) =>
      send({ ...event(`GET ${path}`), queryStringParameters }),
    post: (path: string, body?: unknown) =>
      send({ ...event(`POST ${path}`), ...(body === undefined ? {} : { body: JSON.stringify(body) }) }),
    setTime: (seconds: number) => {
      now = seconds;
    },
  };
}

/** An event for a concrete path: `GET /operator/devices/<id>` becomes the route key and its parameters. */
export function event(request: string) {
  const requestContext = { requestId: "r-1", authorizer: { iam: { userArn: actor } } };
  for (const act of Object.values<Act>(acts)) {
    const routeKey = routeKeyOf(act);
    const pattern = routeKey.replaceAll(/\{(\w+)\}/gu, "(?<$1>[^/]+)");
    const match = new RegExp(`^${pattern}$`, "u").exec(request);
    if (match) return { routeKey, requestContext, pathParameters: match.groups && { ...match.groups } };
  }
  return { routeKey: request, requestContext, pathParameters: undefined };
}

/** Everything in the journal about a target, newest first. */
export async function journal(store: Store, target: string): Promise<readonly Item[]> {
  return (await store.list({ table: "journal", partition: ["target", target], limit: 100, descending: true })).items;
}

/** The keys that a trust document states, and its claims. */
export async function trustFixture() {
  const [root, ca, keySetKey, receiptKey, releaseKey, otherReleaseKey] = await Promise.all([
    signingKey(),
    signingKey(),
    signingKey(),
    signingKey(),
    signingKey(),
    signingKey(),
  ]);
  const claims: TrustClaims = {
    iss: serviceId,
    iat: present,
    version: 1,
    root: root.jwk,
    issuingCa: await caCertificate(ca, root),
    keySetKeys: [keySetKey.jwk],
    receiptKeys: [receiptKey.jwk],
    releaseKeys: [releaseKey.jwk, otherReleaseKey.jwk],
    releaseThreshold: 1,
    messageUrls: ["http://messages.test"],
  };
  return { root, ca, receiptKey, releaseKey, otherReleaseKey, claims };
}

export async function caCertificate(ca: SigningKey, root: SigningKey): Promise<string> {
  return issueCaCertificate({ serviceId, caKey: ca.jwk, root, rootKey: root.jwk, now: new Date(present * 1000) });
}

/** A device as the bootstrap leaves it, or in a later state. */
export async function storeDevice(
  store: Store,
  changes: Partial<Device> = {},
  deviceId: string = randomUUID(),
): Promise<Device> {
  const keys = { signingKey: (await signingKey()).jwk, encryptionKey: (await agreementKey()).jwk };
  const made = newDevice({
    deviceId,
    serialNumber: "SN-1",
    credentialId: randomUUID(),
    keys,
    certificate: "MIIB",
    created: present,
  });
  const device = { ...made, ...changes };
  await store.write(devicePuts(made, device, 1));
  return device;
}

/** A store that loses its first races, as if a message came in between. */
export function contendedStore(races: number, store: Store = memoryStore()): Store & { readonly tries: () => number } {
  let tries = 0;
  return {
    ...store,
    tries: () => tries,
    async write(puts: readonly Put[]) {
      tries += 1;
      return tries > races ? store.write(puts) : false;
    },
  };
}
