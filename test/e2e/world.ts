import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { type KeySet, openKeySet } from "@sealpost/protocol/documents/key-set.ts";
import { tokenDigest } from "@sealpost/protocol/token/jws.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";
import { toSigningJwk, type SigningJwk } from "@sealpost/protocol/suites/suites.ts";
import { type Reply, openReply } from "@sealpost/protocol/messages/reply.ts";
import { type RequestClaims, sealRequest } from "@sealpost/protocol/messages/request.ts";
import { type TrustClaims, catchUpSchema, readTrust } from "@sealpost/protocol/documents/trust.ts";
import { webCryptoSigner } from "@sealpost/protocol/token/web-crypto-signer.ts";
import { inject } from "vitest";

import {
  Device,
  fetchMessageTransport,
  memoryFirmwareSlots,
  memoryKeyStore,
  memoryStateStore,
} from "../../device/index.ts";
import { httpsBootstrapTransport } from "../../device/node.ts";
import { dynamodb } from "../../functions/aws/client.ts";
import { dynamodbStore } from "../../functions/store/dynamodb-store.ts";
import type { Item, Store } from "../../functions/store/port.ts";
import { emulatorService, isolatedEnvironment } from "../../local/emulator/aws-environment.ts";
import { repository } from "../../local/repository.ts";
import type { LocalStack } from "../../local/stack-file.ts";

/** The deployed stack, seen by its users: CLIs as child processes, devices over the real routes, tables as an administrator reads them. */
const stackFile = inject("stackFile");
export const stack: LocalStack = JSON.parse(await readFile(stackFile, "utf8"));

const { outputs } = stack;
export const store: Store = dynamodbStore(emulatorService(dynamodb, stack.endpoint), {
  credentials: outputs["CredentialsTable"] ?? "",
  devices: outputs["DevicesTable"] ?? "",
  releases: outputs["ReleasesTable"] ?? "",
  trust: outputs["TrustTable"] ?? "",
  journal: outputs["JournalTable"] ?? "",
  epochs: outputs["EpochsTable"] ?? "",
});

export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };
const folders = { sealpost: "operator", "sealpost-device": "device" } as const;

/** Runs a CLI in a folder of its own, as a user would. */
export async function run(
  program: keyof typeof folders,
  words: readonly string[],
  options: { readonly folder?: string; readonly environment?: Record<string, string> } = {},
): Promise<Ended> {
  const folder = options.folder ?? (await temporaryFolder());
  const child = spawn(process.execPath, [join(repository, folders[program], "bin.js"), ...words], {
    cwd: folder,
    env: { ...isolatedEnvironment(folder), ...options.environment },
    timeout: 120_000,
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  const code = await new Promise<number | null>((resolve) => {
    child.once("close", resolve);
  });
  return { code, stdout, stderr };
}

/** Runs the operator CLI with `--json`; what it prints, parsed. */
export async function operator(...words: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await run("sealpost", ["--stack", stackFile, "--json", ...words]);
  if (code !== 0) throw new Error(`sealpost ${words.join(" ")}: ${stderr}`);
  return JSON.parse(stdout);
}

export async function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), "sealpost-e2e-"));
}

/** A credential package, as the operator's CLI writes it. */
export async function credentialPackage(serialNumber = `SN-${randomUUID()}`): Promise<Record<string, unknown>> {
  const file = join(await temporaryFolder(), "credential.json");
  await operator("credential", "create", "--serial-number", serialNumber, "--out", file);
  return JSON.parse(await readFile(file, "utf8"));
}

export async function publicDocuments(): Promise<{ trust: TrustClaims; keySet: KeySet }> {
  const answer = await fetch(`${stack.messageUrl}/keys`);
  const catchUp = catchUpSchema.parse(await answer.json());
  const trust = readTrust(catchUp.trust);
  const keySet = await openKeySet(catchUp.keySet, { serviceId: trust.iss, keySetKeys: trust.keySetKeys });
  return { trust, keySet };
}

/** A device of the SDK with everything in memory, bootstrapped over the TLS edge. */
export async function bootstrapped(credential: Promise<Record<string, unknown>> = credentialPackage()) {
  const ports = {
    keys: memoryKeyStore(),
    state: memoryStateStore(),
    messages: fetchMessageTransport(),
    slots: memoryFirmwareSlots({ version: "1.0.0", counter: 1 }),
    bootstrap: httpsBootstrapTransport(),
  };
  const device = await Device.bootstrap({
    credentialPackage: await credential,
    ports,
    options: { via: stack.messageUrl, maxWaitSeconds: 30 },
  });
  return { device, ports };
}

/** A bootstrapped device that seals exactly what it is told, to provoke what the SDK would never send. */
export async function rawDevice() {
  const { device, ports } = await bootstrapped();
  const { deviceId } = device.status();
  const keys = await ports.keys.load("current");
  if (!keys || deviceId === undefined || deviceId === null) throw new Error("not bootstrapped");
  const { trust, keySet } = await publicDocuments();
  const serverKey = keySet.serverKey(Date.now() / 1000);
  if (!serverKey) throw new Error("no server key");
  const signer = await webCryptoSigner(keys.signing);
  const encryption = toSigningJwk({ ...(await crypto.subtle.exportKey("jwk", keys.encryption.publicKey)) });
  const replyKey = await thumbprint(encryption);
  const now = Math.floor(Date.now() / 1000);

  const claimsOf = (
    operation: string,
    body: RequestClaims["body"],
    more: Partial<RequestClaims> & { seq: number },
  ): RequestClaims => ({
    iss: deviceId,
    aud: trust.iss,
    iat: now,
    exp: now + 3_600,
    jti: randomUUID(),
    ack: more.seq - 1,
    serverKey: serverKey.kid,
    replyKey,
    operation,
    body,
    ...more,
  });
  const open = async (token: string, jws: string): Promise<Reply> =>
    openReply(token, keys.encryption.privateKey, keySet.signingKeys, { request: await tokenDigest(jws) });
  /** Sends the same bytes `times` times at once, as a device does: until each is answered by a sealed reply. */
  const send = async (claims: RequestClaims, times = 1): Promise<Reply[]> => {
    const { token, jws } = await sealRequest(claims, signer, serverKey);
    const answers = await Promise.all(Array.from({ length: times }, () => postUntilAnswered(token)));
    return Promise.all(answers.map(async ({ text }) => open(text, jws)));
  };
  const exchange = async (
    operation: string,
    body: RequestClaims["body"],
    more: Partial<RequestClaims> & { seq: number },
  ) => {
    const [reply] = await send(claimsOf(operation, body, more));
    if (!reply) throw new Error("no reply");
    return reply;
  };
  return {
    device,
    ports,
    deviceId,
    keys,
    signer,
    encryption: encryption satisfies SigningJwk,
    serverKey,
    claimsOf,
    open,
    send,
    exchange,
  };
}

const tries = 8;

/** Sends the same token again, as the protocol asks (§16), while it is told that the service cannot answer now. */
export async function postUntilAnswered(token: string) {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await post(token);
    if ((answer.status < 500 && answer.status !== 429) || attempt === tries) return answer;
    await delay(250 * attempt);
  }
}

export async function post(token: string, contentType = "application/jose") {
  const answer = await fetch(`${stack.messageUrl}/messages`, {
    method: "POST",
    headers: { "content-type": contentType },
    body: token,
  });
  return { status: answer.status, type: answer.headers.get("content-type"), text: await answer.text() };
}

export async function journalOf(deviceId: string): Promise<readonly Item[]> {
  const { items } = await store.list({ table: "journal", partition: ["target", `device#${deviceId}`], limit: 100 });
  return items;
}

export async function windowOf(deviceId: string): Promise<Item> {
  const [item] = await store.read([{ table: "devices", key: { deviceId, item: "window" } }]);
  if (!item) throw new Error("no such device");
  return item;
}

export const registration = {
  model: "e2e-meter",
  hardware: "r1",
  firmware: { version: "1.0.0", counter: 1 },
  capabilities: [],
};
