import { createHash, randomBytes, randomUUID } from "node:crypto";

import { vi } from "vitest";

import { credentialPackageSchema, type CredentialPackage } from "@sealpost/protocol/bootstrap.ts";
import { thumbprint } from "@sealpost/protocol/token/keys.ts";

import { memoryKeyStore } from "../../../device/adapters/memory-key-store.ts";
import { memoryStateStore } from "../../../device/adapters/memory-state-store.ts";
import { Device } from "../../../device/device.ts";
import type { DeviceOptions } from "../../../device/options.ts";
import type {
  BootstrapTransport,
  DevicePorts,
  HttpAnswer,
  HttpStream,
  MessageTransport,
} from "../../../device/ports.ts";
import { makeHandler } from "../../../functions/bootstrap/handler.ts";
import { answerMessage } from "../../../functions/receive/answer.ts";
import { devicePuts, readDevice } from "../../../functions/registry/device.ts";
import { type TestService, present, serviceId, startService, storeCredential } from "../../support/service.ts";

/** The real functions of a service behind the device's ports, in one process: real keys, real tokens, no sockets. */
export type Bench = {
  readonly service: TestService;
  readonly credential: CredentialPackage;
  /** Unix seconds at the service. */
  now: number;
  /** Objects below `/firmware/`, by name. */
  readonly objects: Map<string, Uint8Array>;
  /** URLs that were posted to. */
  readonly posted: string[];
  readonly bootstrap: BootstrapTransport;
  readonly messages: MessageTransport;
};

export async function openBench(): Promise<Bench> {
  vi.spyOn(process.stdout, "write").mockReturnValue(true);
  const service = await startService();
  const bench: Bench = {
    service,
    credential: await issueCredential(service),
    now: present,
    objects: new Map(),
    posted: [],
    bootstrap: bootstrapTransport(service, () => bench),
    messages: messageTransport(service, () => bench),
  };
  return bench;
}

export async function issueCredential(service: TestService): Promise<CredentialPackage> {
  const credentialId = randomUUID();
  const secret = randomBytes(24).toString("base64url");
  const secretHash = createHash("sha256").update(secret).digest("base64url");
  await storeCredential(service.store, { credentialId, secretHash });
  return credentialPackageSchema.parse({
    type: "sealpost-credential",
    version: 1,
    serviceId,
    credentialId,
    secret,
    bootstrapUrl: "https://bootstrap.test/bootstrap",
    roots: [await thumbprint(service.root.jwk)],
  });
}

/** Time that passes only when somebody sleeps, and jitter at its widest. */
export function steadyTiming() {
  let seconds = 1_000;
  const slept: number[] = [];
  return {
    slept,
    monotonic: () => seconds,
    async sleep(wait: number) {
      slept.push(wait);
      seconds += wait;
    },
    random: () => 0.999,
  };
}

export type Home = DevicePorts & { readonly bootstrap: BootstrapTransport };

export function memoryHome({ bootstrap, messages }: Pick<Bench, "bootstrap" | "messages">): Home {
  return { keys: memoryKeyStore(), state: memoryStateStore(), bootstrap, messages };
}

export function patient(): DeviceOptions {
  return { timing: steadyTiming(), maxWaitSeconds: 600 };
}

export async function bootstrapped(bench: Bench, home: Home = memoryHome(bench), options: DeviceOptions = patient()) {
  const device = await Device.bootstrap({ credentialPackage: bench.credential, ports: home, options });
  return { device, home };
}

export const profile = {
  model: "meter",
  hardware: "r2",
  firmware: { version: "1.0.0", counter: 1 },
  capabilities: ["telemetry"],
};

/** The device as the registry has it. */
export async function registryEntry({ service }: Bench, deviceId: string | undefined) {
  return readDevice(service.store, deviceId ?? "", 1);
}

/** Ends the device at the service, whatever else it is. */
export async function setStatus(
  { service: { store } }: Bench,
  deviceId: string | undefined,
  status: "revoked" | "deregistered",
): Promise<void> {
  const stored = await readDevice(store, deviceId ?? "", 1);
  if (!stored) throw new Error("no device");
  await store.write(devicePuts(stored, { ...stored, status }, 1));
}

/** What happened to the device, as the journal tells it. */
export async function journal({ service }: Bench, deviceId: string | undefined): Promise<unknown[]> {
  const { items } = await service.store.list({
    table: "journal",
    partition: ["target", `device#${deviceId}`],
    limit: 500,
  });
  return items.map((item) => item["action"]);
}

function bootstrapTransport(service: TestService, bench: () => Bench): BootstrapTransport {
  return {
    connect() {
      const handler = makeHandler(service.bootstrap, () => bench().now * 1000);
      return {
        async post(url, headers, body) {
          bench().posted.push(url);
          const routeKey = `POST ${new URL(url).pathname}`;
          const answer = await handler({ routeKey, headers, body, isBase64Encoded: false });
          return toAnswer(answer.statusCode ?? 200, answer.body ?? "");
        },
        async close() {},
      };
    },
  };
}

function messageTransport(service: TestService, bench: () => Bench): MessageTransport {
  return {
    async post(url, token) {
      bench().posted.push(url);
      const answer = await answerMessage(service.messages, token, bench().now);
      if (answer.kind === "sealed") return toAnswer(200, answer.token);
      return toAnswer(answer.body.status, JSON.stringify(answer.body));
    },
    async get(url, range) {
      const { pathname } = new URL(url);
      if (pathname === "/keys") return whole(Buffer.from(JSON.stringify(await service.messages.readCatchUp())));
      const object = bench().objects.get(pathname.replace("/firmware/", ""));
      if (!object) return { ...whole(Buffer.from("{}")), status: 404 };
      if (!range) return whole(object);
      return {
        status: 206,
        first: range.first,
        body: pieces(object.subarray(range.first, (range.last ?? Infinity) + 1)),
      };
    },
  };
}

export function toAnswer(status: number, body: string): HttpAnswer {
  return { status, contentType: "", body: new Uint8Array(Buffer.from(body)) };
}

function whole(bytes: Uint8Array): HttpStream {
  return { status: 200, first: 0, body: pieces(bytes) };
}

/** In pieces of an awkward size. */
export async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 40_009) yield bytes.subarray(at, at + 40_009);
}
