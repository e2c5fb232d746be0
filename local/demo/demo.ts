import { createHash, randomBytes } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { styleText } from "node:util";

import { DynamoDBClient } from "@aws-sdk/client-dynamodb";

import { dynamodbStore } from "../../functions/store/dynamodb-store.ts";
import { emulatorClient } from "../emulator/aws-environment.ts";
import { LocalFault } from "../fault.ts";
import { startRecorder } from "../network/recorder.ts";
import { startRelay } from "../network/relay.ts";
import { REPOSITORY } from "../repository.ts";
import { startStack } from "../stack.ts";
import { commandLine } from "./command-line.ts";
import { type Evidence, countEffects, countMessages, countTls, expectations, searchRelay } from "./evidence.ts";

/** Long enough to be told from chance in the recorded bytes. */
const model = "demo-water-meter-nb2";
const hardware = "board-rev-c-2026";
const serialNumber = "SN-7G42-00018734-DEMO";
const imageBytes = 10 * 1024 * 1024;

/**
 * The main job on real components: an operator enrols a device and publishes firmware; the device bootstraps over one TLS connection and lives
 * by sealed messages through a relay that records everything, repeats some messages and damages others.
 */
export async function demo(options: {
  readonly directory: string;
  /** Decides which messages the relay repeats and damages. */
  readonly seed: string;
  readonly log: (line: string) => void;
  readonly signal: AbortSignal;
}): Promise<Evidence> {
  const { directory, seed, log, signal } = options;
  const start = performance.now();
  const ends: (() => Promise<void>)[] = [];
  const step = (text: string) => log(`\n${bold(text)}`);
  try {
    step("1. The service: a real `cdk deploy` into an AWS emulator on this machine");
    const running = await startStack({ directory, log: (line) => log(`  ${line}`), signal });
    ends.push(() => running.stop());
    const { stack, stackFile } = running;

    step("2. Between device and service: a recorder on the way to TLS, a hostile relay on the way of messages");
    const recorder = await startRecorder({ targetPort: Number(new URL(stack.bootstrapUrl).port) });
    ends.push(() => recorder.close());
    let tlsOpenAtFirstMessage = -1;
    const relay = await startRelay({
      upstream: stack.messageUrl,
      seed,
      repeatShare: 0.3,
      tamperShare: 0.3,
      onFirstMessage: () => {
        tlsOpenAtFirstMessage = recorder.openConnections();
      },
    });
    ends.push(() => relay.close());
    log(`  the relay repeats 30 % of the messages and flips a bit in 30 % (seed ${seed})`);

    const work = join(directory, "work");
    await rm(work, { recursive: true, force: true });
    await mkdir(work, { recursive: true });
    const home = join(work, "device");
    const packageFile = join(work, "credential.json");
    const imageFile = join(work, "firmware-2.0.0.bin");
    await writeFile(imageFile, randomBytes(imageBytes));
    const cli = commandLine(
      { sealpost: ["--stack", stackFile], "sealpost-device": ["--home", home, "--via", relay.url] },
      work,
      log,
    );

    step("3. The operator enrols a device and publishes 10 MiB of firmware");
    const bootstrapUrl = `https://localhost:${recorder.port}/bootstrap`;
    await cli.run(
      "sealpost",
      ...["credential", "create", "--serial-number", serialNumber],
      ...["--bootstrap-url", bootstrapUrl, "--out", "credential.json"],
    );
    await cli.run(
      "sealpost",
      ...["release", "publish", "firmware-2.0.0.bin", "--model", model],
      ...["--hardware", hardware, "--version", "2.0.0"],
    );

    step(
      "4. The device: one TLS connection, on which credential, first token and certificates pass; then it is closed",
    );
    await cli.run("sealpost-device", "bootstrap", "--package", "credential.json");
    const secrets = await readSecrets(packageFile, home);

    step("5. From now on sealed messages alone, over plain HTTP, through the relay");
    await cli.run(
      "sealpost-device",
      ...["register", "--model", model, "--hardware", hardware],
      ...["--firmware-version", "1.0.0", "--firmware-counter", "0"],
    );
    await cli.run("sealpost-device", "check");
    await cli.run("sealpost-device", "update");
    await cli.run("sealpost-device", "boot");
    await cli.run("sealpost-device", "renew");
    await cli.run("sealpost", "device", "list");
    const written = await installedImage(home);
    await cli.run("sealpost-device", "deregister");
    await cli.run("sealpost", "audit", "list");

    step("6. The evidence, measured from the recorded bytes and the tables");
    const image = await readFile(imageFile);
    const tables = await readTables(stack.endpoint, stack.outputs, secrets.deviceId);
    const { leaked, ...searched } = searchRelay(relay, secrets.map);
    for (const leak of leaked) log(`  LEAK ${leak}`);
    const measured = {
      ...countTls(recorder),
      tlsOpenAtFirstMessage,
      ...searched,
      ...countMessages(relay),
      ...countEffects(tables.window, tables.journal),
      firmwareSha256Matches: sha256(written.subarray(0, image.length)) === sha256(image),
      deviceStatus: String(tables.window["status"]),
      seconds: Math.round((performance.now() - start) / 100) / 10,
    };
    const evidence: Evidence = { ...measured, ok: failures(measured).length === 0 };
    tell(evidence, log);
    return evidence;
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}

/** Names of the figures that do not hold. */
export function failures(evidence: Omit<Evidence, "ok">): string[] {
  return Object.entries(expectations).flatMap(([figure, holds]) => (holds(evidence) ? [] : [figure]));
}

function tell(evidence: Evidence, log: (line: string) => void): void {
  const wrong: ReadonlySet<string> = new Set(failures(evidence));
  const row = (figure: keyof Evidence, label: string, value: string) => {
    const mark = figure in expectations ? (wrong.has(figure) ? styleText("red", "✗") : styleText("green", "✓")) : " ";
    log(`  ${mark} ${label.padEnd(66)} ${value}`);
  };
  const { messages } = evidence;
  const total = (figure: "requestBytes" | "replyBytes" | "milliseconds") =>
    messages.reduce((sum, message) => sum + message[figure], 0);
  row("tlsClientHellos", "TLS handshakes in the device's whole life", String(evidence.tlsClientHellos));
  row(
    "tlsOpenAtFirstMessage",
    "TLS connections open when the first message left",
    String(evidence.tlsOpenAtFirstMessage),
  );
  row("canariesFound", "planted canaries that the search found first, each encoding", String(evidence.canariesFound));
  row("leaks", `of ${evidence.secretsSearched} secrets and claim values, seen by the relay`, String(evidence.leaks));
  row(
    "bytesSearched",
    "bytes searched, raw, hex and base64 at every offset",
    evidence.bytesSearched.toLocaleString("en"),
  );
  row("messagesSent", "messages that the device sent, retries included", String(evidence.messagesSent));
  row("relayRepeated", "… that the relay repeated", String(evidence.relayRepeated));
  row("relayTampered", "… in which it flipped a bit", String(evidence.relayTampered));
  row(
    "refusedByService",
    `… damaged requests (${evidence.damagedRequests}) that the service refused`,
    String(evidence.refusedByService),
  );
  row("effects", "messages that took effect", String(evidence.effects));
  row("effectsTwice", "effects applied twice", String(evidence.effectsTwice));
  row(
    "firmwareSha256Matches",
    "firmware in the slot is the published file (SHA-256)",
    String(evidence.firmwareSha256Matches),
  );
  row("deviceStatus", "the device in the registry", evidence.deviceStatus);
  row(
    "messages",
    "bytes of a sealed request and reply, mean",
    `${mean(total("requestBytes"), messages)} + ${mean(total("replyBytes"), messages)}`,
  );
  row("messages", "milliseconds of an exchange, mean, on this machine", mean(total("milliseconds"), messages));
  row("seconds", "seconds", String(evidence.seconds));
}

function mean(total: number, { length }: readonly unknown[]): string {
  return length === 0 ? "–" : String(Math.round(total / length));
}

function bold(text: string): string {
  return styleText("bold", text);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What no one between the ends may see: texts, and the bytes that they stand for. */
async function readSecrets(packageFile: string, home: string) {
  const credential = JSON.parse(await readFile(packageFile, "utf8")) as { credentialId: string; secret: string };
  const state = JSON.parse(await readFile(join(home, "state.json"), "utf8")) as {
    deviceId: string;
    firstToken?: string;
  };
  const bytes = (uuid: string) => Buffer.from(uuid.replaceAll("-", ""), "hex");
  const map = new Map<string, Uint8Array>([
    ["credential secret", Buffer.from(credential.secret)],
    ["credential secret, decoded", Buffer.from(credential.secret, "base64url")],
    ["credential id", Buffer.from(credential.credentialId)],
    ["credential id, 16 bytes", bytes(credential.credentialId)],
    ["device id", Buffer.from(state.deviceId)],
    ["device id, 16 bytes", bytes(state.deviceId)],
    ["serial number", Buffer.from(serialNumber)],
    ["model", Buffer.from(model)],
    ["hardware", Buffer.from(hardware)],
    ["operation firmware.check", Buffer.from("firmware.check")],
    ["operation deregister", Buffer.from('"deregister"')],
    ["first token's header", Buffer.from('"typ":"at+jwt"')],
  ]);
  return { deviceId: state.deviceId, map };
}

async function installedImage(home: string): Promise<Buffer> {
  const slots = JSON.parse(await readFile(join(home, "slots", "slots.json"), "utf8")) as { active: "a" | "b" };
  return readFile(join(home, "slots", `${slots.active}.bin`));
}

async function readTables(endpoint: string, outputs: Readonly<Record<string, string>>, deviceId: string) {
  const client = new DynamoDBClient(emulatorClient(endpoint));
  const store = dynamodbStore(client, {
    devices: outputs["DevicesTable"] ?? "",
    journal: outputs["JournalTable"] ?? "",
  });
  const [window] = await store.read([{ table: "devices", key: { deviceId, item: "window" } }]);
  const target = `device#${deviceId}`;
  const { items } = await store.list({ table: "journal", partition: ["target", target], limit: 1_000 });
  client.destroy();
  if (!window) throw new LocalFault("state_unreadable", "The device is not in the registry.");
  return { window, journal: items };
}

/** Where the figures go. */
export async function writeEvidence(evidence: Evidence): Promise<string> {
  const path = join(REPOSITORY, ".local", "demo.json");
  await mkdir(join(REPOSITORY, ".local"), { recursive: true });
  await writeFile(path, `${JSON.stringify(evidence, null, 2)}\n`);
  return relative(process.cwd(), path);
}
