import {
  type CertificateAnswer,
  type CredentialPackage,
  certificateAnswerSchema,
  certificatePath,
  tokenAnswerSchema,
  tokenErrorSchema,
  tokenPath,
} from "@sealpost/protocol/bootstrap.ts";
import { fromBase64, toBase64 } from "@sealpost/protocol/documents/x509.ts";
import { openKeySet } from "@sealpost/protocol/documents/key-set.ts";
import { parseJson } from "@sealpost/protocol/token/strict.ts";
import { TokenError, isTokenError } from "@sealpost/protocol/token/token-error.ts";
import { followTrust } from "@sealpost/protocol/documents/trust.ts";
import * as z from "zod/mini";

import { boundedConnection } from "../delivery/bounded-transport.ts";
import type { Patience } from "../delivery/patience.ts";
import { firstAddresses } from "../trust/addresses.ts";
import { certificateRequest } from "./certificate-request.ts";
import { verifyDeviceCertificate } from "./device-certificate.ts";
import { DeviceError } from "../device-error.ts";
import { thumbprints } from "../keys/device-keys.ts";
import type { BootstrapConnection, BootstrapTransport, DeviceKeys, HttpAnswer } from "../ports.ts";
import { emptyQueue } from "../delivery/queue.ts";
import { type Enrolled, noCommands, noReadings } from "../state/state.ts";

/**
 * One TLS connection, two requests on it, then it is closed. Nothing is stored here: the same credential and keys may go through it again after
 * any interruption, and get the same certificate.
 * @throws DeviceError
 */
export async function exchangeCertificates(
  credential: CredentialPackage,
  keys: DeviceKeys,
  transport: BootstrapTransport,
  patience: Patience,
): Promise<Enrolled> {
  const connection = boundedConnection(transport.connect(credential.ca), patience);
  try {
    const firstToken = await requestFirstToken(connection, credential);
    const answer = await requestCertificate(connection, credential, keys, firstToken);
    return await verifyAnswer(answer, credential, keys);
  } finally {
    await connection.close();
  }
}

async function requestFirstToken(
  connection: BootstrapConnection,
  { bootstrapUrl, credentialId, secret }: CredentialPackage,
): Promise<string> {
  const answer = await connection.post(
    `${bootstrapUrl}${tokenPath}`,
    {
      authorization: `Basic ${basicCredentials(credentialId, secret)}`,
      "content-type": "application/x-www-form-urlencoded",
      accept: "application/json",
    },
    "grant_type=client_credentials",
  );
  if (answer.status === 200) return readAnswer(answer, tokenAnswerSchema, "token answer").access_token;
  const { error } = tokenErrorSchema.safeParse(readJson(answer)).data ?? {};
  if (error === "invalid_client") throw new DeviceError("credential-refused", `credential ${credentialId}`);
  throw serviceFault(answer, error);
}

async function requestCertificate(
  connection: BootstrapConnection,
  { bootstrapUrl, credentialId }: CredentialPackage,
  keys: DeviceKeys,
  firstToken: string,
): Promise<CertificateAnswer> {
  const answer = await connection.post(
    `${bootstrapUrl}${certificatePath}`,
    { authorization: `Bearer ${firstToken}`, "content-type": "application/json", accept: "application/json" },
    JSON.stringify(await certificateRequest(keys, credentialId)),
  );
  if (answer.status === 200) return readAnswer(answer, certificateAnswerSchema, "certificate answer");
  const { code } = problemSchema.safeParse(readJson(answer)).data ?? {};
  if (code === "certificate-conflict") {
    throw new DeviceError("certificate-conflict", `credential ${credentialId}`);
  }
  throw serviceFault(answer, code);
}

/** TLS vouches for the host; this vouches for the service: everything must hang together from the pinned roots to the device's own keys. */
async function verifyAnswer(
  answer: CertificateAnswer,
  { serviceId, credentialId, roots }: CredentialPackage,
  keys: DeviceKeys,
): Promise<Enrolled> {
  try {
    const trust = await followTrust(answer.trust, roots);
    if (trust.iss !== serviceId) throw new TokenError("issuer", "trust document iss");
    const keySet = await openKeySet(answer.keySet, { serviceId, keySetKeys: trust.keySetKeys });
    const [certificate = "", issuer = ""] = answer.chain;
    if (toBase64(fromBase64(issuer)) !== toBase64(fromBase64(trust.issuingCa))) {
      throw new TokenError("issuer", "issuing certificate");
    }
    const own = await thumbprints(keys);
    const { deviceId } = answer;
    await verifyDeviceCertificate(certificate, trust.issuingCa, { ...own, deviceId });
    return {
      format: 1,
      phase: "enrolled",
      serviceId,
      credentialId,
      deviceId,
      roots,
      certificate,
      ...own,
      trust,
      addresses: firstAddresses(trust.messageUrls),
      keySet: keySet.token,
      askedAt: null,
      time: answer.time,
      bootTime: null,
      queue: emptyQueue,
      ended: null,
      profile: null,
      pollSeconds: null,
      update: null,
      givenUp: [],
      readings: noReadings,
      commands: noCommands,
    };
  } catch (cause) {
    if (!isTokenError(cause)) throw cause;
    throw new DeviceError("answer-not-trusted", `${cause.detail} (${cause.code})`, { cause });
  }
}

/** RFC 6749 §2.3.1: each part in application/x-www-form-urlencoded before the Base64 of RFC 7617. */
export function basicCredentials(id: string, secret: string): string {
  const encode = (part: string) => new URLSearchParams({ part }).toString().slice("part=".length);
  return btoa(`${encode(id)}:${encode(secret)}`);
}

const problemSchema = z.object({ code: z.string() });

function readJson({ body }: HttpAnswer): unknown {
  try {
    return parseJson(body, "bootstrap answer");
  } catch {
    return undefined;
  }
}

function readAnswer<T>(answer: HttpAnswer, schema: z.ZodMiniType<T>, what: string): T {
  const parsed = schema.safeParse(readJson(answer));
  if (parsed.success) return parsed.data;
  throw new DeviceError("service-fault", `the ${what} has not the form that the protocol gives it`);
}

function serviceFault({ status }: HttpAnswer, code: string | undefined): DeviceError {
  const named = code !== undefined && /^[a-z_-]{1,40}$/.test(code) ? ` (${code})` : "";
  return new DeviceError("service-fault", `HTTP status ${status}${named}`);
}
