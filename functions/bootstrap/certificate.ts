import { randomUUID } from "node:crypto";

import {
  type CertificateAnswer,
  certificateAudience,
  certificateRequestSchema,
  firstTokenClaimsSchema,
} from "@sealpost/protocol/bootstrap.ts";
import { issueDeviceCertificate } from "@sealpost/protocol/documents/certificate.ts";
import { openCertificateRequest } from "@sealpost/protocol/documents/certificate-request.ts";
import { certificateKey } from "@sealpost/protocol/documents/x509.ts";
import { memberOf, parseClaims, parseJws, tokenTypes, verifyJws } from "@sealpost/protocol/token/jws.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { limits } from "@sealpost/protocol/limits.ts";
import type { ProblemCode } from "@sealpost/protocol/messages/problems.ts";
import { parseJson } from "@sealpost/protocol/token/strict.ts";
import { isTokenError } from "@sealpost/protocol/token/token-error.ts";
import { readTrust } from "@sealpost/protocol/documents/trust.ts";

import { devicePuts, newDevice, readDevice } from "../registry/device.ts";
import { areSame, thumbprintsOf } from "../registry/key-ring.ts";
import { credentialTarget, journalPut } from "../registry/journal.ts";
import { credentialEndPut } from "../registry/life.ts";
import type { CredentialRecord, DeviceKeys } from "../store/records.ts";
import { usableCredential } from "./credential.ts";
import type { BootstrapPorts } from "./ports.ts";

export type CertificateRefusal = { readonly code: ProblemCode; readonly reason: string; readonly field?: string };
export type CertificateOutcome = { readonly answer: CertificateAnswer } | { readonly refusal: CertificateRefusal };

type Request = { readonly authorization: string | undefined; readonly mediaType: string; readonly body: Uint8Array };

/**
 * Exchanges certificates under the first token: the device's public keys for its certificate and everything it will trust. The same two keys
 * get the same answer again; of racing requests with different keys one wins and the others get `certificate-conflict`.
 * @param now Unix seconds
 * @throws Fault
 */
export async function exchangeCertificates(
  ports: BootstrapPorts,
  request: Request,
  now: number,
): Promise<CertificateOutcome> {
  const refuse = (code: ProblemCode, reason: string, field?: string): CertificateOutcome => ({
    refusal: { code, reason, ...(field === undefined ? {} : { field }) },
  });
  if (request.body.length > limits.bootstrapBytes) return refuse("too-large", "body");
  const credentialId = await openFirstToken(ports, request.authorization, now);
  if (credentialId === undefined) return refuse("unauthorized", "first token");
  if (request.mediaType !== "application/json") return refuse("invalid-request", "content-type", "content-type");
  const asked = await readRequest(request.body, credentialId);
  if ("field" in asked) return refuse("invalid-request", "body", asked.field);

  const catchUp = await ports.readCatchUp();
  if (!catchUp) return refuse("not-trusted-yet", "no trust document or key set");
  // The stored chain was verified when it was published.
  const { issuingCa } = readTrust(catchUp.trust);
  if ((await thumbprint(await certificateKey(issuingCa))) !== (await ports.ca()).kid) {
    // Spending a credential on a certificate that no device could verify would lose both.
    return refuse("not-trusted-yet", "the trust document names another issuing CA");
  }
  const usable = await usableCredential(ports, credentialId, now);
  if ("defect" in usable) return refuse("unauthorized", usable.defect);
  const chosen =
    (await certified(ports, usable.credential, asked.keys)) ??
    (await certify(ports, usable.credential, asked.keys, now)) ??
    (await certifiedByRace(ports, credentialId, asked.keys, now));
  if (!chosen) return refuse("certificate-conflict", "other keys");

  return { answer: { ...catchUp, deviceId: chosen.deviceId, chain: [chosen.certificate, issuingCa], time: now } };
}

/** @returns the credential id that the token was granted to */
async function openFirstToken(
  { serviceId, firstTokenSigner }: BootstrapPorts,
  authorization: string | undefined,
  now: number,
) {
  const token = /^Bearer ([A-Za-z0-9._-]+)$/i.exec(authorization ?? "")?.[1];
  if (token === undefined) return undefined;
  try {
    const jws = parseJws(tokenTypes.firstToken, token);
    const { kid, jwk } = await firstTokenSigner();
    if (jws.kid !== kid) return undefined;
    await verifyJws(jws, jwk);
    const { iss, aud, sub, iat, exp } = parseClaims(jws.payload, firstTokenClaimsSchema, "first token");
    const valid =
      iss === serviceId && aud === certificateAudience(serviceId) && iat <= now + limits.clockSkewSeconds && now < exp;
    return valid ? sub : undefined;
  } catch (error) {
    if (isTokenError(error)) return undefined;
    throw error;
  }
}

async function readRequest(body: Uint8Array, credentialId: string): Promise<{ keys: DeviceKeys } | { field: string }> {
  try {
    const parsed = certificateRequestSchema.safeParse(parseJson(body, "body"));
    if (!parsed.success) return { field: memberOf(parsed.error) };
    const { csr, encryptionKey } = parsed.data;
    return {
      keys: { signingKey: await openCertificateRequest(csr, { encryptionKey, id: credentialId }), encryptionKey },
    };
  } catch (error) {
    if (!isTokenError(error)) throw error;
    return { field: error.code === "json" ? "body" : "csr" };
  }
}

type Certified = { readonly deviceId: string; readonly certificate: string };

/** What was issued before, if the credential is spent and these are the keys it was spent for. */
async function certified(
  { store, generation }: BootstrapPorts,
  { deviceId }: CredentialRecord,
  keys: DeviceKeys,
): Promise<Certified | undefined> {
  const device = deviceId === undefined ? undefined : await readDevice(store, deviceId, generation);
  if (!device || deviceId === undefined) return undefined;
  const { keys: present, certificate } = device.identity;
  return areSame(thumbprintsOf(present), thumbprintsOf(keys)) ? { deviceId, certificate } : undefined;
}

/** Spends the credential and stores the device and its certificate, in one write; undefined if another request was faster. */
async function certify(
  { serviceId, generation, store, ca }: BootstrapPorts,
  credential: CredentialRecord,
  keys: DeviceKeys,
  now: number,
): Promise<Certified | undefined> {
  if (credential.status !== "issued") return undefined;
  const { credentialId, serialNumber, revision } = credential;
  const deviceId = randomUUID();
  const signer = await ca();
  const certificate = await issueDeviceCertificate({
    serviceId,
    deviceId,
    ...keys,
    ca: signer,
    caKey: signer.jwk,
    now: new Date(now * 1000),
  });
  const device = newDevice({ deviceId, serialNumber, credentialId, keys, certificate, created: now });
  const { expires: _, ...kept } = credential;
  const spent: CredentialRecord = { ...kept, status: "spent", deviceId, revision: revision + 1 };
  const target = credentialTarget(credentialId);
  const certified = { action: "device.certified", detail: { keys, certificate, serialNumber, credentialId } } as const;
  const written = await store.write([
    { table: "credentials", item: spent, when: { revision, status: "issued" } },
    ...devicePuts(device, device, generation, { events: [certified], actor: target, time: now }),
    credentialEndPut(credentialId, { status: "spent", deviceId }),
    journalPut(
      { target, actor: target, time: now, action: "credential.spent", detail: { deviceId, serialNumber } },
      credentialId,
    ),
  ]);
  return written ? { deviceId, certificate } : undefined;
}

/** After a lost race: the winner may have been this very request, sent twice. */
async function certifiedByRace(ports: BootstrapPorts, credentialId: string, keys: DeviceKeys, now: number) {
  const usable = await usableCredential(ports, credentialId, now);
  return "credential" in usable ? certified(ports, usable.credential, keys) : undefined;
}
